// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sealed records in IndexedDB: one database, one object store, 16-byte keys, bytes as values.
//!
//! A batch is one transaction with *strict* durability: it is complete when the disk has it, not when the
//! operating system promises to. It costs milliseconds for each message and is what makes it true, also
//! after a power cut, that no ratchet step is on the wire that is not in the store.

use hither_endpoint::WriteBatch;
use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{IdbDatabase, IdbOpenDbRequest, IdbRequest, IdbTransaction};

use crate::StartError;
use crate::sys::{call, error_name, get, object, promise, settled, window};

const DATABASE: &str = "hither";
const RECORDS: &str = "records";

/// The open database.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    database: IdbDatabase,
}

/// Why something was not stored or loaded; the browser's name for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the browser's database failed ({reason})")]
pub(crate) struct StoreError {
    reason: String,
}

impl From<JsValue> for StoreError {
    fn from(error: JsValue) -> Self {
        Self {
            reason: error_name(&error),
        }
    }
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Store {
            reason: error.reason,
        }
    }
}

impl Store {
    /// Opens the database, making it the first time, and asks the browser not to evict it.
    pub(crate) async fn open() -> Result<Self, StoreError> {
        let factory = window().indexed_db()?.ok_or_else(|| StoreError {
            reason: "NotSupportedError".to_owned(),
        })?;
        let request = factory.open_with_u32(DATABASE, 1)?;
        let making = {
            let request = request.clone();
            Closure::once(move || make(&request))
        };
        request.set_onupgradeneeded(Some(making.as_ref().unchecked_ref()));
        let database = answered(&request).await?.unchecked_into();
        ask_to_persist();
        Ok(Self { database })
    }

    /// Everything that is stored.
    pub(crate) async fn load(&self) -> Result<Vec<([u8; 16], Vec<u8>)>, StoreError> {
        let transaction = self.database.transaction_with_str(RECORDS)?;
        let records = transaction.object_store(RECORDS)?;
        // Both are asked for before either is awaited: one transaction, one state.
        let (keys, values) = (records.get_all_keys()?, records.get_all()?);
        let (keys, values) = (answer(&keys), answer(&values));
        let keys: js_sys::Array = settled(keys).await?.unchecked_into();
        let values: js_sys::Array = settled(values).await?.unchecked_into();
        Ok(keys
            .iter()
            .zip(values.iter())
            .filter_map(|(key, value)| Some((record_id(&key)?, bytes(&value)?)))
            .collect())
    }

    /// Stores a batch: all of it or nothing. Batches take effect in the order of the calls.
    ///
    /// The transaction is begun before this returns; the future waits for its end.
    pub(crate) fn write(
        &self,
        batch: &WriteBatch,
    ) -> impl Future<Output = Result<(), StoreError>> + use<> {
        let begun = self.begin(batch);
        async move {
            let _completed = settled(begun?).await?;
            Ok(())
        }
    }

    fn begin(&self, batch: &WriteBatch) -> Result<js_sys::Promise, StoreError> {
        let transaction = self.readwrite()?;
        let records = transaction.object_store(RECORDS)?;
        for (id, value) in &batch.writes {
            let key = Uint8Array::from(id.as_slice());
            let _request = match value {
                Some(value) => records.put_with_key(&Uint8Array::from(value.as_slice()), &key)?,
                None => records.delete(&key)?,
            };
        }
        Ok(completion(&transaction))
    }

    /// By name: the options are behind an unstable flag in `web-sys`.
    fn readwrite(&self) -> Result<IdbTransaction, StoreError> {
        let options = object(&[("durability", "strict".into())]);
        let transaction: js_sys::Function = get(&self.database, "transaction").unchecked_into();
        let mode = JsValue::from("readwrite");
        Ok(transaction
            .call3(&self.database, &RECORDS.into(), &mode, &options)?
            .unchecked_into())
    }
}

fn make(request: &IdbOpenDbRequest) {
    if let Ok(database) = request.result() {
        let database: IdbDatabase = database.unchecked_into();
        // If it fails, opening fails.
        drop(database.create_object_store(RECORDS));
    }
}

async fn answered(request: &IdbRequest) -> Result<JsValue, StoreError> {
    Ok(settled(answer(request)).await?)
}

fn answer(request: &IdbRequest) -> js_sys::Promise {
    promise(|resolve, reject| {
        let on_success = {
            let request = request.clone();
            Closure::once_into_js(move || {
                call(&resolve, &request.result().unwrap_or(JsValue::UNDEFINED));
            })
        };
        let on_error = {
            let request = request.clone();
            Closure::once_into_js(move || call(&reject, &get(&request, "error")))
        };
        request.set_onsuccess(Some(on_success.unchecked_ref()));
        request.set_onerror(Some(on_error.unchecked_ref()));
    })
}

fn completion(transaction: &IdbTransaction) -> js_sys::Promise {
    promise(|resolve, reject| {
        let on_complete = Closure::once_into_js(move || call(&resolve, &JsValue::UNDEFINED));
        let on_abort = {
            let transaction = transaction.clone();
            Closure::once_into_js(move || call(&reject, &get(&transaction, "error")))
        };
        transaction.set_oncomplete(Some(on_complete.unchecked_ref()));
        // An error of a request ends in an abort, too.
        transaction.set_onabort(Some(on_abort.unchecked_ref()));
    })
}

/// Binary keys come back as `ArrayBuffer`s.
fn record_id(key: &JsValue) -> Option<[u8; 16]> {
    let key = key.dyn_ref::<ArrayBuffer>()?;
    Uint8Array::new(key).to_vec().try_into().ok()
}

fn bytes(value: &JsValue) -> Option<Vec<u8>> {
    Some(value.dyn_ref::<Uint8Array>()?.to_vec())
}

fn ask_to_persist() {
    // Whatever the answer: there is nothing else to do.
    if let Ok(asked) = window().navigator().storage().persist() {
        wasm_bindgen_futures::spawn_local(async move { drop(settled(asked).await) });
    }
}
