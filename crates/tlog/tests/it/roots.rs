//! Roots that others have published, or that an independent program has computed.

use tlog::{Frontier, Hash, RightEdge, empty_root, leaf_hash};

use crate::samples::{leaf, root_at, tree};

/// The inputs and roots that Certificate Transparency's implementations test with.
const RFC_6962: [(&str, &str); 8] = [
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    (
        "606162636465666768696a6b6c6d6e6f",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ),
];

const OURS: [(u64, &str); 7] = [
    (2, "Wu/tlcwHMhzgUUzvHnA5gvcn4nRLQkIAN67yE7ikaWY="),
    (255, "hb+Bc0VH4pNXIX+Sbt35myRrBEz+88abzNcMUr4ldvU="),
    (256, "l4e0L+g0rtIh00FKOTZDZsst0Mby8bMINKN67itCV/E="),
    (257, "GctzMLmBJZWRi3XC51vzmRNM1fZQF0Q8s38cFC4svD4="),
    (1000, "Zsrf3Fkgme2ssnjTceRNIfUDFqXTfRdp65nbXhdbliw="),
    (65536, "eVXRtt9erz7PJIeiXIH879s5H2y4QKbpJsNQDmxi1RQ="),
    (70000, "pXgl6gDNwd4le3ttTOtyLLILBei0iBe912yg1hjpHiw="),
];

#[test]
fn the_empty_tree_has_the_hash_of_nothing() {
    let expected = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(hex::encode(empty_root().0), expected);
    assert_eq!(Frontier::new().root(), empty_root());
    assert_eq!(root_at(&tree(3), 0).unwrap(), empty_root());
}

#[test]
fn roots_are_those_of_rfc_6962() {
    let mut frontier = Frontier::new();
    for (input, root) in RFC_6962 {
        frontier.push(leaf_hash(&hex::decode(input).unwrap()));
        assert_eq!(hex::encode(frontier.root().0), root, "size {}", frontier.size());
    }
}

#[test]
fn roots_of_json_entries_are_the_known_ones_live_and_from_tiles() {
    let mut edge = RightEdge::new();
    let all = tree(70_000);
    for (size, root) in OURS {
        while edge.size() < size {
            edge.push(leaf(edge.size()));
        }
        assert_eq!(edge.root().to_string(), root, "size {size}, live");
        assert_eq!(root_at(&all, size).unwrap().to_string(), root, "size {size}, from tiles");
    }
}

#[test]
fn a_frontier_and_an_edge_have_the_same_root() {
    let (mut frontier, mut edge) = (Frontier::new(), RightEdge::new());
    for size in 0..1000 {
        assert_eq!((frontier.size(), edge.size()), (size, size));
        assert_eq!(frontier.root(), edge.root(), "size {size}");
        frontier.push(leaf(size));
        edge.push(leaf(size));
    }
}

#[test]
fn a_hash_has_one_text() {
    let hash = leaf(0);
    assert_eq!(hash.to_string().parse::<Hash>(), Ok(hash));
    let text = hash.to_string();
    for bad in [
        text.trim_end_matches('=').to_owned(),
        format!("{text}="),
        format!(" {text}"),
        format!("{text}\n"),
        text.replace('+', "-").replace('/', "_") + "_",
        String::new(),
    ] {
        assert!(bad.parse::<Hash>().is_err(), "{bad:?}");
    }
    // 32 bytes leave two bits of the last digit unused: they must be zero.
    let zeros = Hash([0; 32]).to_string();
    assert_eq!(zeros, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    assert!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=".parse::<Hash>().is_err());
}
