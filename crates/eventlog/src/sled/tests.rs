//! What the engine on disk does beyond the suite.
