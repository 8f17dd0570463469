//! The box's state in a running process: read by many, changed in one place,
//! on the disk before anybody hears of a change.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::state::{State, StateError};

/// The state and the folder it lives in.
#[derive(Debug)]
pub struct Memory {
    dir: PathBuf,
    state: Mutex<State>,
}

impl Memory {
    /// Reads the state of a data folder.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn load(dir: &Path) -> Result<Self, StateError> {
        Ok(Self {
            dir: dir.to_owned(),
            state: Mutex::new(State::load(dir)?),
        })
    }

    /// The state as it is now.
    pub fn read(&self) -> State {
        self.lock().clone()
    }

    /// Changes the state and writes it, if it did change.
    ///
    /// # Errors
    /// [`StateError`]; the state is then unchanged.
    pub fn change(&self, change: impl FnOnce(&mut State)) -> Result<(), StateError> {
        let mut state = self.lock();
        let mut next = state.clone();
        change(&mut next);
        if next != *state {
            next.store(&self.dir)?;
            *state = next;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Assigned as a whole: a poisoned state is still a whole one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_on_the_disk_and_one_that_cannot_be_written_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let memory = Memory::load(&data).unwrap();

        memory.change(|state| state.revocations = 4).unwrap();

        assert_eq!(State::load(&data).unwrap().revocations, 4);
        std::fs::create_dir(data.join("state.new")).unwrap();
        assert!(memory.change(|state| state.revocations = 5).is_err());
        assert_eq!(memory.read().revocations, 4);
    }
}
