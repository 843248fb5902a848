//! What the repository publishes is what the program does.

use crate::support::{Service, keyledger};

#[test]
fn the_published_openapi_document_is_the_programs() {
    let printed = keyledger(&["openapi"]).run().out;
    let published = include_str!("../../schemas/openapi.json");
    assert!(printed == published, "write it anew: cargo xtask schemas");
}

/// README, Clients of other key APIs: each line works as it is printed.
#[test]
fn the_readmes_dialect_lines_work_as_printed() {
    let readme = include_str!("../../README.md");
    let service = Service::start();
    let client = service.paying("acme", "ann", "owner", "pro");
    let mut tried = Vec::new();
    for line in readme.lines().filter_map(|line| line.strip_prefix("| ")) {
        let Some((name, command)) = line.split_once(" | `curl ") else { continue };
        let (_, after) = command.split_once("$url").unwrap();
        let path = after.split([' ', '"']).next().unwrap();
        let step = match after.split_once("-d '").and_then(|(_, body)| body.split_once('\'')) {
            Some((body, _)) => format!("POST {path} {body}"),
            None => format!("GET {path}"),
        };
        assert!(command.contains("-H \"$auth\""), "{command}");
        let typed = command.contains("-H 'Content-Type: application/json'");
        assert_eq!(typed, step.starts_with("POST"), "{command}");
        let answer = client.send(&step);
        assert!(matches!(answer.status, 200 | 201), "{step}: {answer:?}");
        tried.push(name);
    }
    assert_eq!(tried, ["covosign", "callcov", "cloudsigma", "capgo", "composable"]);
    assert_eq!(client.all("/v1/events").len(), 5);
}
