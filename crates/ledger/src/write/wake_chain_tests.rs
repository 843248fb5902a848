//! The chain gives everybody their reply, as waking each does.

use tokio::sync::oneshot;

use super::wake_chain::{Others, SharedReply, Waiting, send, wake_chain, wake_each};

type Receiver = oneshot::Receiver<SharedReply<usize>>;

struct One(usize, oneshot::Sender<SharedReply<usize>>);

impl Waiting for One {
    fn wake(self: Box<Self>, others: Others) {
        let One(place, to) = *self;
        send(to, Ok(place), others);
    }
}

fn three() -> (Vec<Box<dyn Waiting>>, Vec<Option<Receiver>>) {
    let made = (0..3).map(|place| {
        let (to, receiver) = oneshot::channel();
        (Box::new(One(place, to)) as Box<dyn Waiting>, Some(receiver))
    });
    made.unzip()
}

/// What each of those who are still there receives.
fn received(receivers: Vec<Option<Receiver>>) -> Vec<usize> {
    // The one that was woken, as far as it is still there, comes last here.
    let there = receivers.into_iter().rev().flatten();
    there.map(|mut to| to.try_recv().expect("it waits in vain").take().unwrap()).collect()
}

/// The chain answers as the plain way does, whoever has gone away.
#[test]
fn everybody_gets_their_own_reply_whoever_has_gone_away() {
    for gone in 0..8_u32 {
        let there = |place: usize| gone >> place & 1 == 0;
        let expected: Vec<_> = (0..3).rev().filter(|place| there(*place)).collect();
        let plain: fn(Vec<Box<dyn Waiting>>) = |waiting| wake_each(waiting.into_iter());
        for wake in [wake_chain, plain] {
            let (waiting, mut receivers) = three();
            for place in (0..3).filter(|place| !there(*place)) {
                receivers[place] = None;
            }
            wake(waiting);
            assert_eq!(received(receivers), expected, "{gone:03b}");
        }
    }
}

#[test]
fn one_who_goes_away_with_a_reply_wakes_the_others() {
    let (waiting, mut receivers) = three();
    wake_chain(waiting);
    drop(receivers.pop());
    assert_eq!(received(receivers), [1, 0]);
}
