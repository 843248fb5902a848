//! Each stream is what a replay with its filter is, however slowly it is read.

use std::sync::Arc;
use std::time::Duration;

use keys::{EventKind, KeyId, Rotation, Subject, Timestamp};
use ledger::{Caller, Change, Changes, EventFilter, RequestOptions, Role, Seq, Walk};
use parking_lot::Mutex;

use super::bounds::{BOUNDS, Bounds};
use super::message;
use super::subscription::StreamBody;
use super::tests::{TIGHT, app, auditor, begin, caller, create, draft, next, permit};
use super::topics::Filter;
use crate::app::App;
use crate::auth::bearer::Bearer;

/// Numbers that look random and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let place = self.roll(from.len().max(1) as u64);
        from.get(usize::try_from(place).unwrap()).copied()
    }
}

/// A stream that is being read, with pauses, until it ends.
struct Reading {
    who: Caller,
    filter: Filter,
    from: u64,
    text: Arc<Mutex<Vec<u8>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Reading {
    fn begin(app: &App, dice: &mut Dice, ids: &[KeyId]) -> Reading {
        let who = match dice.roll(3) {
            0 => caller("ann", Some("acme"), Role::Owner),
            1 => caller("ann", Some("umbrella"), Role::Owner),
            _ => auditor(),
        };
        let scope = &who.identity.scope;
        let mut filter = Filter::default();
        if dice.roll(3) == 0 {
            filter.account = dice.pick(&["acme", "umbrella"]).map(|name| name.parse().unwrap());
        }
        if dice.roll(3) == 0 {
            filter.kind = dice.pick(&[EventKind::Created, EventKind::Disabled]);
        }
        if dice.roll(4) == 0 {
            filter.actor = dice.pick(&["bob", "eve"]).map(|name| Subject::new(name).unwrap());
        }
        if dice.roll(4) == 0 {
            filter.key = dice.pick(ids);
        }
        filter.never = filter.account.as_ref().is_some_and(|account| !scope.covers(account));
        filter.account = filter.account.or_else(|| scope.account().cloned());
        let length = app.ledger().length().borrow().0;
        let from = if dice.roll(2) == 0 { length } else { dice.roll(length + 1) };
        let permit = permit(app, scope.account().cloned());
        let mut stream = StreamBody::join(
            permit,
            who.clone(),
            Bearer::until(&who.identity, Timestamp::MAX),
            filter.clone(),
            Seq(from),
        );
        let text = Arc::<Mutex<Vec<u8>>>::default();
        let (of_task, mut dice) = (Arc::clone(&text), Dice(dice.roll(u64::MAX) | 1));
        let mut length = app.ledger().length();
        let task = tokio::spawn(async move {
            while let Some(part) = next(&mut stream).await {
                if !part.starts_with(b":") {
                    of_task.lock().extend_from_slice(&part);
                }
                if dice.roll(8) == 0 {
                    // Falls behind until much more is recorded, or nothing is for a while.
                    let until = length.borrow().0 + dice.roll(60);
                    let wait = length.wait_for(|length| length.0 >= until);
                    drop(tokio::time::timeout(Duration::from_millis(30), wait).await);
                }
            }
        });
        Reading { who, filter, from, text, task }
    }

    /// What a replay with the same filter shows.
    fn replayed(&self, app: &App) -> Vec<u8> {
        let mut text = Vec::new();
        let filter: EventFilter = self.filter.events();
        let mut walk = Some(Walk::Up(Seq(self.from)));
        while let Some(from) = walk {
            let page = app.ledger().events(&self.who, &filter, from, 500).unwrap();
            for entry in &page.items {
                message::write(&mut text, entry, filter.key);
            }
            walk = page.next;
        }
        text
    }
}

async fn change(app: &App, dice: &mut Dice, ids: &mut Vec<KeyId>) {
    let admin = caller(dice.pick(&["bob", "eve"]).unwrap(), None, Role::Admin);
    let account = dice.pick(&["acme", "umbrella"]).unwrap();
    let pick = dice.pick(ids);
    let ledger = app.ledger();
    // Refused or not: what is not recorded is not streamed.
    match (dice.roll(5), pick) {
        (0, _) | (_, None) => {
            let made = ledger.create(&admin, draft(account), RequestOptions::default()).await;
            ids.push(made.unwrap().key.key.id);
        }
        (1, Some(id)) => {
            let (changes, rotation) = (Changes::default(), Rotation::new(60).unwrap());
            let made =
                ledger.rotate(&admin, id, changes, rotation, RequestOptions::default()).await;
            ids.extend(made.map(|made| made.key.key.id));
        }
        (2 | 3, Some(id)) => {
            drop(ledger.change(&admin, id, Change::Disable, RequestOptions::default()).await);
        }
        (_, Some(id)) => {
            drop(ledger.change(&admin, id, Change::Enable, RequestOptions::default()).await);
        }
    }
}

/// Each stream is what a replay with its filter is: no gap, nothing twice, in order.
async fn check(seed: u64, changes: usize, rest: Option<usize>, bounds: Bounds) {
    let mut dice = Dice(seed);
    let app = app();
    begin(&app, bounds);
    let (mut ids, mut readings) = (Vec::new(), Vec::new());
    for number in 0..changes {
        change(&app, &mut dice, &mut ids).await;
        if dice.roll(8) == 0 {
            readings.push(Reading::begin(&app, &mut dice, &ids));
        }
        if rest == Some(number) {
            many(&app);
        }
    }
    for reading in &readings {
        let want = reading.replayed(&app);
        let arrived = async {
            while reading.text.lock().len() < want.len() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let arrived = tokio::time::timeout(Duration::from_secs(60), arrived).await;
        let (came, filter) = (reading.text.lock().len(), &reading.filter);
        assert!(arrived.is_ok(), "seed {seed}: {came} of {} bytes, {filter:?}", want.len());
    }
    app.stop();
    for mut reading in readings {
        (&mut reading.task).await.unwrap();
        let (text, want) = (reading.text.lock(), reading.replayed(&app));
        let (text, want) = (String::from_utf8_lossy(&text), String::from_utf8_lossy(&want));
        assert!(text == want, "seed {seed}: {:?} from {}", reading.filter, reading.from);
    }
    assert_eq!(app.streams().open(), 0);
}

/// Records more than the ledger buffers for a follower, while the hub does not run.
fn many(app: &App) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let id = create(app, "bob", "acme").await;
                let admin = caller("bob", None, Role::Admin);
                for _ in 0..4_500 {
                    for change in [Change::Disable, Change::Enable] {
                        app.ledger()
                            .change(&admin, id, change, RequestOptions::default())
                            .await
                            .unwrap();
                    }
                }
            });
        });
    });
}

#[tokio::test]
async fn every_stream_is_what_a_replay_with_its_filter_is() {
    for seed in 1..12 {
        check(seed * 7_919, 250, None, TIGHT).await;
    }
}

#[tokio::test]
async fn what_the_hub_missed_is_read_from_the_log() {
    check(4_711, 100, Some(60), Bounds { cpu_divisor: 1, ..BOUNDS }).await;
}
