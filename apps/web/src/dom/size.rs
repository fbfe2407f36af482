// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hearing of an element that was given another size.

use web_sys::wasm_bindgen::JsCast as _;
use web_sys::wasm_bindgen::prelude::Closure;
use web_sys::{Element, ResizeObserver};

/// Hears of it as long as it is kept.
pub(crate) struct Following {
    observer: ResizeObserver,
    _told: Closure<dyn FnMut()>,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.observer.disconnect();
    }
}

/// Calls `told` whenever the element has another size, and once to begin with.
pub(crate) fn follow(element: &Element, told: impl FnMut() + 'static) -> Option<Following> {
    let told = Closure::<dyn FnMut()>::new(told);
    let observer = ResizeObserver::new(told.as_ref().unchecked_ref()).ok()?;
    observer.observe(element);
    Some(Following {
        observer,
        _told: told,
    })
}
