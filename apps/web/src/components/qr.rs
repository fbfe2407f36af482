// SPDX-License-Identifier: MIT OR Apache-2.0
//! QR codes as one SVG path.

use leptos::prelude::*;
use qrcodegen::{QrCode as Code, QrCodeEcc};

/// The quiet zone that readers want around a code.
const QUIET: i32 = 4;

/// A QR code. Texts that are too long for one show nothing.
#[component]
pub(crate) fn QrCode(
    /// What it says.
    #[prop(into)]
    text: Signal<String>,
    /// What it is, for those who do not see it.
    label: &'static str,
    /// For tests.
    testid: &'static str,
) -> impl IntoView {
    let code = Memo::new(move |_| text.with(|text| outline(text)));
    view! {
        {move || code.get().map(|(side, path)| view! {
            <svg
                class="qr"
                viewBox=format!("0 0 {side} {side}")
                role="img"
                aria-label=label
                data-testid=testid
                shape-rendering="crispEdges"
            >
                <rect class="qr-ground" width=side height=side />
                <path class="qr-ink" d=path />
            </svg>
        })}
    }
}

/// The side in modules and the dark ones as a path, one run of a row at a time.
fn outline(text: &str) -> Option<(i32, String)> {
    if text.is_empty() {
        return None;
    }
    let code = Code::encode_text(text, QrCodeEcc::Medium).ok()?;
    let mut path = String::new();
    for y in 0..code.size() {
        let mut x = 0;
        while x < code.size() {
            let run = (x..code.size())
                .take_while(|x| code.get_module(*x, y))
                .count();
            let run = i32::try_from(run).ok()?;
            if run > 0 {
                path.push_str(&format!("M{} {}h{run}v1h-{run}z", x + QUIET, y + QUIET));
            }
            x += run.max(1);
        }
    }
    Some((code.size() + 2 * QUIET, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_makes_a_square_with_its_three_finders() {
        let (side, path) = outline("https://node.example/i#AAAA").expect("short enough");
        assert_eq!((side - 2 * QUIET - 17) % 4, 0);
        // The upper edges of the two upper finder patterns are runs of seven.
        assert!(path.starts_with("M4 4h7v1h-7z"), "{path}");
    }

    #[test]
    fn nothing_and_too_much_make_no_code() {
        assert_eq!(outline(""), None);
        assert_eq!(outline(&"x".repeat(4000)), None);
    }
}
