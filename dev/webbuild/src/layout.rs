// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which file gets which address.

use crate::BuildError;
use crate::bundle::{Files, digest};

/// The page that a browser asks for first.
pub(crate) const INDEX: &str = "index.html";

/// Stands for the directory of the assets in files at the root.
pub(crate) const ASSETS: &str = "__ASSETS__";

/// Stands for a JSON array of the assets' paths in files at the root.
const ASSET_LIST: &str = "__ASSET_LIST__";

/// Hexadecimal digits of the digest that name the directory of the assets: 80 bits.
const NAME_LEN: usize = 20;

/// Joins static and generated files under the addresses they are served at.
pub(crate) fn lay_out(fixed: Files, generated: Files) -> Result<Files, BuildError> {
    let (assets, root) = split(fixed, generated)?;
    let mut name = digest(&assets);
    name.truncate(NAME_LEN);
    let directory = format!("assets/{name}");
    let list = asset_list(&directory, &assets);

    let index = root.get(INDEX).ok_or(BuildError::NoIndex)?;
    if !index
        .windows(ASSETS.len())
        .any(|window| window == ASSETS.as_bytes())
    {
        return Err(BuildError::IndexWithoutAssets);
    }

    let mut files = Files::new();
    for (path, contents) in assets {
        files.insert(format!("{directory}/{path}"), contents);
    }
    for (path, contents) in root {
        files.insert(path, fill_in(contents, &directory, &list));
    }
    Ok(files)
}

/// The assets by their path below `assets/`, and the files at the root.
fn split(fixed: Files, generated: Files) -> Result<(Files, Files), BuildError> {
    let mut assets = generated;
    let mut root = Files::new();
    for (path, contents) in fixed {
        let Some(asset) = path.strip_prefix("assets/") else {
            root.insert(path, contents);
            continue;
        };
        if assets.insert(asset.to_owned(), contents).is_some() {
            return Err(BuildError::DoubleName(asset.to_owned()));
        }
    }
    Ok((assets, root))
}

fn asset_list(directory: &str, assets: &Files) -> String {
    let paths: Vec<String> = assets
        .keys()
        .map(|path| format!("\"/{directory}/{path}\""))
        .collect();
    format!("[{}]", paths.join(","))
}

/// Replaces the placeholders in a text; leaves pictures and the like alone.
fn fill_in(contents: Vec<u8>, directory: &str, list: &str) -> Vec<u8> {
    match String::from_utf8(contents) {
        Ok(text) => text
            .replace(ASSET_LIST, list)
            .replace(ASSETS, directory)
            .into_bytes(),
        Err(binary) => binary.into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> Files {
        list.iter()
            .map(|(path, contents)| ((*path).to_owned(), contents.as_bytes().to_vec()))
            .collect()
    }

    fn index_of(files: &Files) -> &str {
        std::str::from_utf8(&files[INDEX]).expect("the index is text")
    }

    const PAGE: &str = "<script type=module src=\"/__ASSETS__/boot.js\"></script>";

    #[test]
    fn the_index_points_at_the_assets() {
        let fixed = files(&[
            (INDEX, PAGE),
            ("assets/boot.js", "import './hither_web.js'"),
        ]);
        let generated = files(&[("hither_web.js", "glue")]);
        let bundle = lay_out(fixed, generated).expect("a layout");

        let page = index_of(&bundle);
        let start = page.find("/assets/").expect("an address");
        let end = page[start..].find("\"").expect("an end") + start;
        assert!(bundle.contains_key(&page[start + 1..end]), "{page}");
        assert_eq!(bundle.len(), 3);
    }

    #[test]
    fn a_changed_asset_moves_all_assets() {
        let fixed = files(&[(INDEX, PAGE)]);
        let one = lay_out(fixed.clone(), files(&[("a.js", "1")])).expect("a layout");
        let two = lay_out(fixed, files(&[("a.js", "2")])).expect("a layout");
        assert_ne!(index_of(&one), index_of(&two));
    }

    #[test]
    fn a_changed_index_leaves_the_assets_where_they_are() {
        let generated = files(&[("a.js", "1")]);
        let one = lay_out(files(&[(INDEX, PAGE)]), generated.clone()).expect("a layout");
        let longer = format!("{PAGE}<p>");
        let two = lay_out(files(&[(INDEX, longer.as_str())]), generated).expect("a layout");
        assert_eq!(format!("{}<p>", index_of(&one)), index_of(&two));
    }

    #[test]
    fn a_service_worker_learns_every_asset() {
        let fixed = files(&[(INDEX, PAGE), ("sw.js", "const all = __ASSET_LIST__;")]);
        let bundle = lay_out(fixed, files(&[("a.js", "1"), ("b.wasm", "2")])).expect("a layout");
        let worker = std::str::from_utf8(&bundle["sw.js"]).expect("text");
        let assets: Vec<&String> = bundle.keys().filter(|path| path.contains('/')).collect();
        assert_eq!(assets.len(), 2);
        for asset in assets {
            assert!(worker.contains(&format!("\"/{asset}\"")), "{worker}");
        }
    }

    #[test]
    fn pictures_are_left_alone() {
        let mut fixed = files(&[(INDEX, PAGE)]);
        let picture = [b"\xff\xd8".as_slice(), ASSETS.as_bytes()].concat();
        fixed.insert("icon.jpg".to_owned(), picture.clone());
        let bundle = lay_out(fixed, Files::new()).expect("a layout");
        assert_eq!(bundle["icon.jpg"], picture);
    }

    #[test]
    fn an_index_that_names_no_asset_is_refused() {
        let refused = lay_out(files(&[(INDEX, "<p>")]), Files::new());
        assert!(matches!(refused, Err(BuildError::IndexWithoutAssets)));
        let refused = lay_out(Files::new(), Files::new());
        assert!(matches!(refused, Err(BuildError::NoIndex)));
    }

    #[test]
    fn a_static_file_cannot_hide_a_generated_one() {
        let fixed = files(&[(INDEX, PAGE), ("assets/a.js", "mine")]);
        let refused = lay_out(fixed, files(&[("a.js", "generated")]));
        assert!(matches!(refused, Err(BuildError::DoubleName(name)) if name == "a.js"));
    }
}
