//! Random bytes from the system.

use anyhow::{Result, anyhow};
use zeroize::Zeroizing;

/// That many random bytes, which may be a secret.
pub(crate) fn bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut()).map_err(|error| anyhow!("no random bytes: {error}"))?;
    Ok(bytes)
}
