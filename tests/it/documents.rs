//! What the repository publishes is what the program does.

use crate::support::keyledger;

#[test]
fn the_published_openapi_document_is_the_programs() {
    let printed = keyledger(&["openapi"]).run().out;
    let published = include_str!("../../schemas/openapi.json");
    assert!(printed == published, "write it anew: cargo xtask schemas");
}
