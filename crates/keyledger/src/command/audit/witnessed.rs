//! What a quorum of witnesses saw of a log, in words and in JSON.

use bundle::{Witnessed, moment};
use serde_json::{Value, json};

use crate::print;

/// In JSON.
pub(super) fn json(witnessed: &Witnessed) -> Value {
    let Witnessed { size, quorum, unwitnessed } = witnessed;
    let at = |time_s: Option<u64>| time_s.map(|time_s| moment(time_s).to_string());
    let by: Vec<Value> = quorum
        .cosigned
        .iter()
        .map(|(witness, time_s)| {
            let (name, key) = (print::plain(&witness.name), witness.key.to_string());
            json!({ "name": name, "key": key, "at": moment(*time_s).to_string() })
        })
        .collect();
    json!({
        "size": size, "unwitnessed": unwitnessed, "by": by,
        "existed_by": at(quorum.existed_s), "fresh_as_of": at(quorum.fresh_s),
    })
}

/// Each line with its title.
pub(super) fn rows(witnessed: &Witnessed) -> Vec<(&'static str, String)> {
    let Witnessed { size, quorum, unwitnessed } = witnessed;
    let mut rows = Vec::new();
    let quorum_at = match (quorum.existed_s, quorum.fresh_s) {
        (Some(existed), Some(fresh)) => {
            format!(", by a quorum until {}, and since {}", moment(existed), moment(fresh))
        }
        (None, _) | (_, None) => String::new(),
    };
    rows.push(("witnessed", format!("up to size {size}{quorum_at}")));
    for (witness, time_s) in &quorum.cosigned {
        rows.push(("cosigned by", format!("{} at {}", witness.name, moment(*time_s))));
    }
    rows.push(("unwitnessed", format!("{unwitnessed} records are beyond that")));
    rows
}
