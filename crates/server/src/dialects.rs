//! The dialects: the APIs of other key services, each a thin face over the same ledger.
//!
//! A dialect is one value, [`Face`], in a file of its own with its routes, wire types, errors and
//! callers, and one line in the list below. No rule about keys is here; what a dialect needs decided
//! the ledger decides in its general terms. Handlers fail with an [`ApiError`] like all others; the
//! request layer has it written in the form of the dialect under whose mount it happened.

mod answer;
mod callcov;
mod caller;
mod capgo;
mod cloudsigma;
mod composable;
mod covosign;
mod document;
mod error_class;
mod face;
mod key_list;
mod request;
mod rights;
mod role_table;
mod unlisted_fields;

use keys::{Dialect, Kind, NewKey};
use ledger::Changes;
use utoipa::openapi::OpenApi;

use self::face::Face;
pub(crate) use self::rights::Rights;
use crate::app::App;
use crate::error::ApiError;
use crate::http::error_form::ErrorForm;
use crate::http::route::Routes;
use crate::wire::Patch;

/// Every dialect but the native API, which the rest of this crate serves.
static FACES: [&Face; 5] =
    [&covosign::FACE, &callcov::FACE, &cloudsigma::FACE, &capgo::FACE, &composable::FACE];

/// The dialect's face; the native API has none.
fn face(dialect: Dialect) -> Option<&'static Face> {
    FACES.into_iter().find(|face| face.dialect == dialect)
}

/// Every dialect's routes under its mount, and those of `root` at the root too.
pub(crate) fn router(root: Option<Dialect>) -> Routes {
    FACES.into_iter().fold(Routes::default(), |routes, face| {
        routes.merge(face.router(root == Some(face.dialect)))
    })
}

/// Where the documents of the dialects are served, and how errors are written there.
pub(crate) fn documents() -> impl Iterator<Item = (Dialect, &'static str, ErrorForm)> {
    FACES.into_iter().map(|face| (face.dialect, face.mount.document, face.error_form()))
}

/// A dialect's document; the native API describes itself.
pub(crate) fn document(dialect: Dialect) -> Option<OpenApi> {
    face(dialect).map(document::of)
}

/// Refuses to enable a key through the native API if its dialect would not do it for this caller.
pub(crate) fn may_enable(rights: Rights, key: &NewKey) -> Result<(), ApiError> {
    face(key.dialect).map_or(Ok(()), |face| (face.rules.enable)(rights))
}

/// Refuses an edit through the native API of what a dialect has rules about: who may have which key,
/// and when a public one ends. It may be given limits, another list of addresses and another end.
pub(crate) fn may_edit(key: &NewKey, patch: &Patch) -> Result<(), ApiError> {
    let end = patch.end().filter(|_| key.kind == Kind::Public);
    match patch.authority().or(end) {
        Some(field) if face(key.dialect).is_some() => {
            let why = format!("stays as {} made it; rotate the key to change it", key.dialect);
            Err(ApiError::field(field, format_args!("{why}")))
        }
        Some(_) | None => Ok(()),
    }
}

/// Refuses a rotation through the native API into a key that its dialect would not make for this
/// caller, and gives the new key what follows from its role.
pub(crate) fn bind_rotation(
    app: &App,
    rights: Rights,
    key: &NewKey,
    changes: &mut Changes,
) -> Result<(), ApiError> {
    face(key.dialect).map_or(Ok(()), |face| (face.rules.rotate)(app, rights, key, changes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every list of dialects has the same names: the domain's, this one, and the other verifier's.
    #[test]
    fn every_list_has_the_same_dialects() {
        let domain: Vec<&str> = Dialect::ALL.iter().map(|dialect| dialect.as_str()).collect();
        let faces = FACES.into_iter().map(|face| face.dialect.as_str());
        let served: Vec<&str> = std::iter::once("native").chain(faces).collect();
        assert_eq!(served, domain);
        let verifier = include_str!("../../../tools/verify.py");
        let listed = verifier.lines().find_map(|line| line.strip_prefix("DIALECTS = ")).unwrap();
        let listed: Vec<&str> = serde_json::from_str(listed).unwrap();
        assert_eq!(listed, domain);
    }

    /// A dialect is mounted below its name, with all that it has.
    #[test]
    fn a_face_lies_below_its_mount() {
        for face in FACES {
            let prefix = format!("/dialects/{}", face.dialect);
            assert_eq!(face.mount.prefix, prefix);
            assert_eq!(face.mount.document, prefix.clone() + "/openapi.json");
            let routes = (face.routes)();
            for route in &routes {
                let [mounted, mounted_slash, path, path_slash] = route.paths;
                assert_eq!(mounted, prefix.clone() + path);
                assert_eq!(mounted_slash, mounted.to_owned() + "/");
                assert_eq!(path_slash, path.to_owned() + "/");
            }
            let fast = routes.iter().filter(|route| route.fast_path.is_some()).count();
            assert_eq!(fast, 1, "{prefix}: one route makes keys");
        }
    }
}
