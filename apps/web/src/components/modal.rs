// SPDX-License-Identifier: MIT OR Apache-2.0
//! Dialogs on the native element: the browser keeps focus inside and gives it back.

use leptos::html::Dialog;
use leptos::prelude::*;
use web_sys::wasm_bindgen::JsValue;

use super::{Glyph, IconButton};
use crate::state::App;

/// A dialog in front of everything.
#[component]
pub(crate) fn Modal(
    /// Whether it is there.
    #[prop(into)]
    open: Signal<bool>,
    /// The person wants it away.
    #[prop(into)]
    on_close: Callback<()>,
    /// Its heading.
    #[prop(into)]
    title: Signal<String>,
    /// For tests; on the part that exists only while it is open.
    testid: &'static str,
    /// Can only be answered, not put away.
    #[prop(optional)]
    required: bool,
    /// More classes.
    #[prop(optional, default = "")]
    class: &'static str,
    /// What is in it.
    children: ChildrenFn,
) -> impl IntoView {
    let dialog = NodeRef::<Dialog>::new();
    let heading = format!("{testid}-title");
    let labelled_by = heading.clone();
    follow(dialog, open);
    let put_away = move || {
        if !required && open.get_untracked() {
            on_close.run(());
        }
    };
    let closed = move |_| {
        // The event of an earlier closing may come after the dialog was opened again.
        if dialog.get_untracked().is_some_and(|element| element.open()) {
            return;
        }
        // Some browsers let a second Escape through even where it is not wanted.
        if required && open.get_untracked() {
            show(dialog);
        } else {
            put_away();
        }
    };
    let on_backdrop = move |event: leptos::ev::MouseEvent| {
        let target = event.target().map(JsValue::from);
        let on_dialog = dialog
            .get_untracked()
            .is_some_and(|dialog| target == Some(JsValue::from((*dialog).clone())));
        if on_dialog {
            put_away();
        }
    };
    view! {
        <dialog
            class=format!("modal {class}")
            node_ref=dialog
            aria-labelledby=labelled_by
            on:cancel=move |event: leptos::ev::Event| { event.prevent_default(); put_away(); }
            on:close=closed
            on:mousedown=on_backdrop
        >
            <Show when=move || open.get()>
                <div class="modal-inside" data-testid=testid>
                    <header class="modal-header">
                        <h2 id=heading.clone() tabindex="-1" autofocus>{move || title.get()}</h2>
                        {(!required).then(|| view! {
                            <IconButton glyph=Glyph::Close label="Close" testid="dialog-close" on_press=put_away />
                        })}
                    </header>
                    {children()}
                </div>
            </Show>
        </dialog>
    }
}

fn follow(dialog: NodeRef<Dialog>, open: Signal<bool>) {
    Effect::new(move || {
        let open = open.get();
        let Some(element) = dialog.get() else { return };
        if open && !element.open() {
            show(dialog);
        } else if !open && element.open() {
            element.close();
        }
    });
}

fn show(dialog: NodeRef<Dialog>) {
    if let Some(element) = dialog.get_untracked() {
        // It fails only if the dialog is open already.
        drop(element.show_modal());
    }
}

/// The question before something that cannot be undone.
#[component]
pub(crate) fn ConfirmDialog(app: App) -> impl IntoView {
    let open = Signal::derive(move || app.confirmation.with(Option::is_some));
    let part = move |part: fn(&crate::state::Confirmation) -> String| {
        app.confirmation
            .with(|confirmation| confirmation.as_ref().map(part).unwrap_or_default())
    };
    let close = move || app.confirmation.set(None);
    let yes = move |_| {
        if let Some(confirmation) = app.confirmation.get_untracked() {
            close();
            app.send(confirmation.command);
        }
    };
    view! {
        <Modal
            open
            on_close=close
            title=Signal::derive(move || part(|confirmation| confirmation.title.clone()))
            testid="confirm-dialog"
            class="modal-small"
        >
            <p>{move || part(|confirmation| confirmation.text.clone())}</p>
            <div class="actions">
                <button type="button" class="button" data-testid="confirm-no" on:click=move |_| close()>
                    "Cancel"
                </button>
                <button type="button" class="button danger" data-testid="confirm-yes" on:click=yes>
                    {move || part(|confirmation| confirmation.yes.to_owned())}
                </button>
            </div>
        </Modal>
    }
}
