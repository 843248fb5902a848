//! Our lists of places against roaring bitmaps: how long it takes to add a place, to read all of
//! them in pages, to find one, and to find what two lists have in common. What it shows is said
//! beside the list, in `src/projection/places.rs`. The list is private: it is compiled into the
//! bench once more.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use eventlog::Seq;
use roaring::RoaringTreemap;

use self::page::Walk;
use self::places::{Places, common};

#[path = "../src/page.rs"]
#[expect(dead_code, unreachable_pub, reason = "a part of the ledger, by itself")]
mod page;
#[path = "../src/projection/places.rs"]
#[expect(dead_code, reason = "a part of the ledger, by itself")]
mod places;

/// As many places are read at a time.
const PAGE: usize = 1_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    // An account with a third of all records, and one with few of them.
    for gap in [3, 10_000] {
        for count in [10, 1_000, 1_000_000] {
            lists(&mut criterion, gap, count);
        }
    }
    criterion.final_summary();
}

/// `count` places, `gap` apart on average, by xorshift.
fn made(gap: u64, count: usize) -> Vec<u64> {
    let (mut dice, mut place) = (88_172_645_463_325_252_u64, 0);
    let next = || {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        place += 1 + dice % (2 * gap - 1);
        place
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn ours(places: impl Iterator<Item = u64>) -> Places {
    let mut list = Places::default();
    places.for_each(|place| list.push(Seq(place)));
    list
}

/// All that is on `lists`, a page at a time.
fn read_ours(lists: &[&Places]) -> usize {
    let (mut walk, mut read) = (Some(Walk::Up(Seq(0))), 0);
    while let Some(from) = walk {
        let found = common(lists, from, PAGE);
        (read, walk) = (read + found.places.len(), found.next);
    }
    read
}

/// All that is on `list` and on the other one, a page at a time.
fn read_roaring(list: &RoaringTreemap, other: Option<&RoaringTreemap>) -> usize {
    let (mut from, mut read) = (0, 0);
    loop {
        let mut places = list.iter();
        places.advance_to(from);
        let places = places.filter(|place| other.is_none_or(|other| other.contains(*place)));
        let found: Vec<u64> = places.take(PAGE).collect();
        let Some(end) = found.last() else { return read };
        (from, read) = (end + 1, read + found.len());
    }
}

fn lists(criterion: &mut Criterion, gap: u64, count: usize) {
    let places = made(gap, count);
    let third = || places.iter().copied().step_by(3);
    let (whole, third_of_ours) = (ours(places.iter().copied()), ours(third()));
    let bitmap: RoaringTreemap = places.iter().copied().collect();
    let third_of_bitmap: RoaringTreemap = third().collect();
    let last = places.last().copied().unwrap_or(0);
    let mut group = criterion.benchmark_group(format!("{count} places, {gap} apart"));
    group.throughput(Throughput::Elements(count as u64));
    let ids = |what| [BenchmarkId::new(what, "ours"), BenchmarkId::new(what, "roaring")];

    let [ours_id, roaring_id] = ids("add");
    group.bench_function(ours_id, |timed| timed.iter(|| ours(places.iter().copied())));
    group.bench_function(roaring_id, |timed| {
        timed.iter(|| {
            let mut bitmap = RoaringTreemap::new();
            for place in &places {
                let _ = bitmap.try_push(*place);
            }
            bitmap
        });
    });
    let [ours_id, roaring_id] = ids("read");
    group.bench_function(ours_id, |timed| timed.iter(|| read_ours(&[black_box(&whole)])));
    group.bench_function(roaring_id, |timed| timed.iter(|| read_roaring(&bitmap, None)));
    let [ours_id, roaring_id] = ids("in common");
    group.bench_function(ours_id, |timed| timed.iter(|| read_ours(&[&whole, &third_of_ours])));
    group.bench_function(roaring_id, |timed| {
        timed.iter(|| read_roaring(&third_of_bitmap, Some(&bitmap)));
    });

    group.throughput(Throughput::Elements(1));
    let [ours_id, roaring_id] = ids("find");
    let mut from = 0;
    let mut next = || {
        from = (from + 7_919 * gap) % last;
        from
    };
    group.bench_function(ours_id, |timed| timed.iter(|| whole.first_from(Seq(next()))));
    group.bench_function(roaring_id, |timed| {
        timed.iter(|| {
            let mut places = bitmap.iter();
            places.advance_to(next());
            places.next()
        });
    });
    group.finish();
}
