//! Whole numbers: `3600`, and `3600.0` and `3.6e3` too, which JSON does not tell apart from it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// From here on a float may stand for another whole number than was written.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A whole number of a type.
pub(super) trait Whole: TryFrom<u64> {
    const EXPECTED: &str;
}

impl Whole for u64 {
    const EXPECTED: &str = "a whole number";
}

impl Whole for u32 {
    const EXPECTED: &str = "a whole number, at most 4294967295";
}

/// Reads a whole number that may be missing.
///
/// For `#[serde(default, deserialize_with)]`, so that the field keeps its type.
pub(super) fn optional<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Whole,
{
    Ok(Option::<Number<T>>::deserialize(deserializer)?.map(|number| number.0))
}

/// Reads a whole number that must be there.
pub(super) fn required<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Whole,
{
    Ok(Number::<T>::deserialize(deserializer)?.0)
}

struct Number<T>(T);

impl<'de, T: Whole> Deserialize<'de> for Number<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number<T>, D::Error> {
        struct Read<T>(std::marker::PhantomData<T>);

        impl<T: Whole> Visitor<'_> for Read<T> {
            type Value = Number<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::EXPECTED)
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Number<T>, E> {
                let wrong = || E::invalid_value(Unexpected::Unsigned(number), &self);
                T::try_from(number).map(Number).map_err(|_| wrong())
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Number<T>, E> {
                if number.fract() == 0.0 && (0.0..EXACT).contains(&number) {
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "it is whole, not negative, and far from the end"
                    )]
                    self.visit_u64(number as u64)
                } else {
                    Err(E::invalid_value(Unexpected::Float(number), &self))
                }
            }
        }

        deserializer.deserialize_any(Read(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Both {
        #[serde(default, deserialize_with = "optional")]
        long: Option<u64>,
        #[serde(default, deserialize_with = "optional")]
        short: Option<u32>,
    }

    #[test]
    fn a_number_is_whole_however_it_is_written() {
        let table = [
            ("3600", Some(3600)),
            ("3600.0", Some(3600)),
            ("3.6e3", Some(3600)),
            ("36e2", Some(3600)),
            ("36000E-1", Some(3600)),
            ("0", Some(0)),
            ("-0.0", Some(0)),
            ("3600.5", None),
            ("1e-3", None),
            ("-1", None),
            ("-1.0", None),
            ("\"3600\"", None),
            ("true", None),
        ];
        for (text, want) in table {
            let read = serde_json::from_str::<Both>(&format!("{{\"long\":{text}}}"));
            assert_eq!(read.ok().map(|both| both.long), want.map(Some), "{text}");
            let read = serde_json::from_str::<Both>(&format!("{{\"short\":{text}}}"));
            let want = want.map(|number| u32::try_from(number).ok());
            assert_eq!(read.ok().map(|both| both.short), want, "{text}");
        }
        let long = |text| serde_json::from_str::<Both>(text).ok().and_then(|both| both.long);
        assert_eq!(long("{\"long\":18446744073709551615}"), Some(u64::MAX));
        // More than a float can tell from its neighbours.
        assert_eq!(long("{\"long\":1e16}"), None);
        for text in ["{}", "{\"short\":null}"] {
            assert!(serde_json::from_str::<Both>(text).unwrap().short.is_none());
        }
        assert!(serde_json::from_str::<Both>("{\"short\":4294967296.0}").is_err());
    }
}
