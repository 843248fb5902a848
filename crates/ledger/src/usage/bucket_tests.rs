//! A bucket is an hour and a verdict.

use keys::{Timestamp, Verdict};

use super::bucket::{Bucket, day_of, start_of};

#[test]
fn a_bucket_is_an_hour_and_a_verdict() {
    let at: Timestamp = "2026-11-30T13:59:59.999999Z".parse().unwrap();
    for verdict in Verdict::ALL {
        let Some(bucket) = Bucket::of(at, *verdict) else {
            assert!(matches!(verdict, Verdict::Malformed | Verdict::NotFound));
            continue;
        };
        assert_eq!(bucket.verdict(), Some(*verdict));
        assert_eq!(bucket.start().to_string(), "2026-11-30T13:00:00.000000Z");
        assert_eq!(start_of(bucket.day()).to_string(), "2026-11-30T00:00:00.000000Z");
        assert_eq!(bucket.day(), day_of(at));
        assert!(Bucket::first_of(bucket.day()) <= bucket);
        assert!(bucket < Bucket::first_of(bucket.day() + 1));
        assert_eq!(Bucket::from_number(bucket.number()), bucket);
    }
    let early: Timestamp = "1969-12-31T23:00:00Z".parse().unwrap();
    assert_eq!(Bucket::of(early, Verdict::Valid), Some(Bucket::from_number(0)));
}
