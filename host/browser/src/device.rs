// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a device is called until somebody names it.

/// Tokens of a user agent string, the telling ones first: most browsers also claim to be others.
const BROWSERS: [(&str, &str); 6] = [
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

const SYSTEMS: [(&str, &str); 7] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// E.g. `Firefox on Linux`.
pub(crate) fn label(user_agent: &str) -> String {
    let find = |table: &[(&str, &'static str)]| {
        table
            .iter()
            .find(|(token, _)| user_agent.contains(token))
            .map(|(_, name)| *name)
    };
    let browser = find(&BROWSERS).unwrap_or("Browser");
    match find(&SYSTEMS) {
        Some(system) => format!("{browser} on {system}"),
        None => browser.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn a_browser_that_claims_to_be_others_is_told_by_its_own_name() {
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                    Chrome/156.0.0.0 Safari/537.36 Edg/156.0.0.0";
        assert_eq!(label(edge), "Edge on Windows");
        let phone = "Mozilla/5.0 (Linux; Android 16; K) AppleWebKit/537.36 (KHTML, like Gecko) \
                     Chrome/156.0.0.0 Mobile Safari/537.36";
        assert_eq!(label(phone), "Chrome on Android");
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0";
        assert_eq!(label(firefox), "Firefox on Linux");
    }

    #[test]
    fn an_unknown_browser_has_a_name_too() {
        assert_eq!(label(""), "Browser");
    }
}
