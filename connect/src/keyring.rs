//! The kernel's own store for a user's secrets, where there is one.
//!
//! On Linux a sign-in lives in the user's kernel keyring: in memory, never on
//! the disk, gone with a reboot and by itself when it ends. A stolen laptop
//! that is off holds none. Where the kernel offers no keyring (a container, an
//! older system, another system) callers use a private file.

use std::time::Duration;

/// Stores a secret for a time; false when there is no keyring.
#[cfg(target_os = "linux")]
pub fn put(name: &str, secret: &str, keep: Duration) -> bool {
    use linux_keyutils::{KeyPermissionsBuilder, Permission};
    let store = || {
        let key = ring()?.add_key(name, secret)?;
        // A session that does not possess the user's keyring may still read it.
        let permissions = KeyPermissionsBuilder::builder()
            .posessor(Permission::ALL)
            .user(Permission::ALL)
            .build();
        key.set_perms(permissions)?;
        key.set_timeout(usize::try_from(keep.as_secs()).unwrap_or(usize::MAX))?;
        key.read_to_vec()
    };
    store().is_ok_and(|kept| kept == secret.as_bytes())
}

/// A stored secret that has not ended yet.
#[cfg(target_os = "linux")]
pub fn secret(name: &str) -> Option<String> {
    let kept = ring().ok()?.search(name).ok()?.read_to_vec().ok()?;
    String::from_utf8(kept).ok()
}

/// Forgets a secret, if it is there.
#[cfg(target_os = "linux")]
pub fn forget(name: &str) {
    if let Ok(ring) = ring()
        && let Ok(key) = ring.search(name)
    {
        // What cannot be unlinked is at least made useless.
        if ring.unlink_key(key).is_err() {
            let _ = key.revoke();
        }
    }
}

#[cfg(target_os = "linux")]
fn ring() -> Result<linux_keyutils::KeyRing, linux_keyutils::KeyError> {
    let user = linux_keyutils::KeyRingIdentifier::User;
    linux_keyutils::KeyRing::from_special_id(user, true)
}

/// Stores a secret for a time; false when there is no keyring.
#[cfg(not(target_os = "linux"))]
pub fn put(_name: &str, _secret: &str, _keep: Duration) -> bool {
    false
}

/// A stored secret that has not ended yet.
#[cfg(not(target_os = "linux"))]
pub fn secret(_name: &str) -> Option<String> {
    None
}

/// Forgets a secret, if it is there.
#[cfg(not(target_os = "linux"))]
pub fn forget(_name: &str) {}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_kept_replaced_and_forgotten() {
        let name = format!("culvert-test:{}", std::process::id());
        if !put(&name, "one", Duration::from_secs(60)) {
            // No keyring here, as in many containers: then nothing is kept.
            assert_eq!(secret(&name), None);
            return;
        }
        assert!(put(&name, "two", Duration::from_secs(60)));

        assert_eq!(secret(&name).as_deref(), Some("two"));
        forget(&name);
        assert_eq!(secret(&name), None);
    }
}
