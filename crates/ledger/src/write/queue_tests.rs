//! The queue in front of a writer: whose turn it is, and who makes room.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry(Option<Account>, u32);

impl Queued for Entry {
    fn account(&self) -> Option<&Account> {
        self.0.as_ref()
    }

    fn weight(&self) -> usize {
        if self.1 % 10 == 9 { 1_000 } else { 1 }
    }
}

/// `a1` is the first entry of account `a`; `*` is none.
fn entry(text: &str) -> Entry {
    let (name, number) = text.split_at(1);
    Entry(Account::new(name).ok(), number.parse().unwrap())
}

fn text(entry: &Entry) -> String {
    format!("{}{}", entry.0.as_ref().map_or("*", Account::as_str), entry.1)
}

fn push(queue: &Queue<Entry>, texts: &str) {
    for one in texts.split(' ') {
        assert_eq!(queue.push(entry(one)), Ok(None), "{one}");
    }
}

fn take(queue: &Queue<Entry>, most: usize) -> String {
    let mut jobs = VecDeque::new();
    assert_eq!(queue.take(&mut jobs, || most, None), !jobs.is_empty());
    jobs.iter().map(text).collect::<Vec<_>>().join(" ")
}

#[test]
fn accounts_take_turns_and_each_is_first_come_first_served() {
    let queue = Queue::new(100);
    push(&queue, "a1 a2 a3 b1 *1 a4 b2 *2");
    assert_eq!(take(&queue, 4), "a1 b1 *1 a2");
    push(&queue, "c1");
    assert_eq!(take(&queue, 100), "b2 *2 a3 c1 a4");
    push(&queue, "a5 a6");
    assert_eq!(take(&queue, 100), "a5 a6");
    queue.close();
    assert_eq!(take(&queue, 100), "");
}

/// Those that end in 9 are heavy: last in what is taken, and one alone.
#[test]
fn a_heavy_one_goes_last_and_alone() {
    let queue = Queue::new(100);
    push(&queue, "a9 a19 a1 b1 b2 c9 c1 b3");
    assert_eq!(take(&queue, 100), "b1 b2 b3 a9");
    push(&queue, "b4 b5");
    assert_eq!(take(&queue, 1), "b4 c9");
    assert_eq!(take(&queue, 100), "b5 c1 a19");
    assert_eq!(take(&queue, 100), "a1");
    push(&queue, "a9 a19 a1");
    for taken in ["a9", "a19", "a1"] {
        assert_eq!(take(&queue, 100), taken);
    }
}

#[test]
fn one_that_is_alone_may_fill_it() {
    let queue = Queue::new(3);
    push(&queue, "a1 a2 a3");
    assert_eq!(queue.push(entry("a4")), Err(Refused::Full));
    assert_eq!(take(&queue, 9), "a1 a2 a3");
}

#[test]
fn one_that_fills_it_makes_room_for_others_up_to_their_share() {
    let queue = Queue::new(4);
    push(&queue, "a1 a2 a3 a4");
    for (new, pushed_out) in [("b1", Ok("a4")), ("b2", Ok("a3")), ("b3", Err(Refused::Full))] {
        let pushed = queue.push(entry(new));
        assert_eq!(pushed, pushed_out.map(|out| Some(entry(out))), "{new}");
    }
    assert_eq!(queue.push(entry("*1")).unwrap().as_ref().map(text).as_deref(), Some("b2"));
    assert_eq!(queue.push(entry("a3")), Err(Refused::Full));
    assert_eq!(queue.len(), 4);
    assert_eq!(take(&queue, 9), "a1 b1 *1 a2");
}

#[test]
fn what_waits_is_handed_out_after_the_close_and_nothing_is_taken_in() {
    let queue = Queue::new(4);
    push(&queue, "a1 b1");
    queue.close();
    assert_eq!(queue.push(entry("a2")), Err(Refused::Closed));
    assert_eq!(take(&queue, 1), "a1");
    drop(queue.taker());
    assert_eq!(queue.len(), 0);
}

proptest! {
    /// Whatever is put in is taken out in its account's order, pushed out or refused; the
    /// queue is never longer than it may be, and nobody is refused who has less than a share.
    #[test]
    fn nothing_is_lost_and_nobody_is_shut_out(
        steps in prop::collection::vec((0_u8..5, 0_usize..9), 1..400),
        capacity in 1_usize..20,
    ) {
        let queue = Queue::new(capacity);
        let mut model: HashMap<Option<Account>, VecDeque<u32>> = HashMap::new();
        let mut number = 0;
        for (who, most) in steps {
            let account = Account::new(["a", "b", "c", "*", "*"][usize::from(who)]).ok();
            if who == 4 && queue.len() > 0 {
                let mut jobs = VecDeque::new();
                queue.take(&mut jobs, || most.max(1), None);
                let heavy = jobs.iter().filter(|job| is_heavy(*job)).count();
                prop_assert!(heavy <= 1 && jobs.len() - heavy <= most.max(1));
                prop_assert!(!jobs.is_empty());
                for Entry(account, number) in jobs {
                    let first = model.get_mut(&account).unwrap().pop_front();
                    prop_assert_eq!(first, Some(number));
                }
                model.retain(|_, waiting| !waiting.is_empty());
                continue;
            }
            number += 1;
            match queue.push(Entry(account.clone(), number)) {
                Ok(pushed_out) => {
                    model.entry(account.clone()).or_default().push_back(number);
                    if let Some(Entry(other, newest)) = pushed_out {
                        prop_assert_ne!(&other, &account);
                        let last = model.get_mut(&other).unwrap().pop_back();
                        prop_assert_eq!(last, Some(newest));
                        prop_assert!(!model[&other].is_empty());
                    }
                }
                Err(refused) => {
                    prop_assert_eq!(refused, Refused::Full);
                    let own = model.get(&account).map_or(0, VecDeque::len);
                    let accounts = model.len() + usize::from(own == 0);
                    prop_assert!(own >= capacity / accounts);
                }
            }
            let waiting: usize = model.values().map(VecDeque::len).sum();
            prop_assert_eq!(queue.len(), waiting);
            prop_assert!(waiting <= capacity);
        }
    }
}
