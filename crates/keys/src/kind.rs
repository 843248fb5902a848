//! Which kind of key it is, and what it works on.

use crate::words::words;

words!(
    /// Whether a key must be kept secret.
    Kind {
        /// Its text is shown once, and only its digest is kept.
        Secret = "secret",
        /// Its text is no secret: it may be in a web page, and is kept in clear.
        Public = "public",
    }
);

words!(
    /// What a key works on.
    Environment {
        /// Real data.
        Live = "live",
        /// Test data.
        Sandbox = "sandbox",
    }
);
