//! Tells the server how the box fares: at each new link, when the doctor's
//! verdict changes, and now and then.
//!
//! The doctor runs in a task of its own, which ends with the loop. What is sent
//! is the cause and its sentence, never an address of the customer's network.

use std::time::{Duration, Instant};

use culvert_config::gateway::Gateway;
use culvert_link::Link;
use culvert_wire::frame::{Frame, Health};
use culvert_wire::reason::Reason;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::doctor::{self, Cause};
use crate::supervised::Trouble;

/// How often the doctor looks.
const EVERY: Duration = Duration::from_secs(15 * 60);
/// When it looks first: boxes that come back together after a restart of the
/// server do not examine it together.
const FIRST: Duration = Duration::from_secs(30);
const SPREAD: Duration = Duration::from_secs(90);

/// The box's own verdict.
#[derive(Debug)]
pub(super) struct Checkup {
    verdict: watch::Receiver<Cause>,
    since: Instant,
    task: AbortHandle,
}

impl Drop for Checkup {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Checkup {
    /// Starts the doctor; `random` is in 0..1.
    pub(super) fn start(settings: Gateway, random: f64) -> Self {
        let (tell, verdict) = watch::channel(Cause::Ok);
        let task = tokio::spawn(async move {
            tokio::time::sleep(FIRST + SPREAD.mul_f64(random.clamp(0.0, 1.0))).await;
            loop {
                let found = doctor::examine(&settings).await;
                if tell.send(found.cause).is_err() {
                    return;
                }
                tokio::time::sleep(EVERY).await;
            }
        });
        Self {
            verdict,
            since: Instant::now(),
            task: task.abort_handle(),
        }
    }

    /// Waits for the doctor's next word, changed or not.
    pub(super) async fn next(&mut self) {
        if self.verdict.changed().await.is_err() {
            // The doctor is gone: his last word stands.
            std::future::pending::<()>().await;
        }
    }

    /// Sends the newest verdict; a server that does not know the frame skips it.
    ///
    /// A pause by the customer's button comes before all causes: it is why
    /// nobody gets a session here. What is wrong with the box itself comes
    /// before its way to the server, which works if this is heard.
    pub(super) fn tell(&self, link: &Link, paused: bool, trouble: Option<&Trouble>) {
        let cause = *self.verdict.borrow();
        let pause = Reason::CustomerPause;
        let (code, text) = match (paused, trouble) {
            (true, _) => (pause.slug(), pause.sentence()),
            (false, Some(trouble)) => (trouble.code.as_str(), trouble.sentence.as_str()),
            (false, None) => (cause.code(), cause.sentence()),
        };
        let health = Health {
            code: code.to_owned(),
            text: text.to_owned(),
            version: crate::VERSION.to_owned(),
            uptime_s: self.since.elapsed().as_secs(),
        };
        // Fails when the link is gone: the next one gets it.
        let _ = link.send(Frame::Health(health));
    }
}

#[cfg(test)]
mod tests {
    use culvert_wire::Encode as _;

    use super::*;

    /// Every sentence fits the frame, whatever the doctor finds.
    #[test]
    fn every_cause_can_be_told() {
        for cause in Cause::ALL {
            let health = Health {
                code: cause.code().into(),
                text: cause.sentence().into(),
                version: crate::VERSION.into(),
                uptime_s: u64::MAX,
            };
            let frame = Frame::Health(health);
            let read = Frame::from_message(frame.to_bytes()).unwrap();
            assert_eq!(read, Some(frame), "{}", cause.code());
        }
    }
}
