//! Enums of the domain and their stored twins.

/// An enum of the domain and its stored twin: the twin's order is the wire tag.
macro_rules! twin {
    ($visible:vis $stored:ident = $domain:ident { $($variant:ident),+ $(,)? }) => {
        #[derive(Clone, Copy, Serialize, Deserialize)]
        $visible enum $stored { $($variant),+ }

        impl From<$domain> for $stored {
            fn from(value: $domain) -> $stored {
                match value { $($domain::$variant => $stored::$variant),+ }
            }
        }

        impl From<$stored> for $domain {
            fn from(value: $stored) -> $domain {
                match value { $($stored::$variant => $domain::$variant),+ }
            }
        }
    };
}

pub(super) use twin;
