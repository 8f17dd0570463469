//! The device's page in a real browser: an absolute address, a cookie, a
//! WebSocket (S32).

use super::{LIMIT, Tour};

/// The page asks for an address that only a browser can know that got the
/// redirect, the cookie and the page, ran its script and heard its WebSocket.
pub(super) fn web(tour: &Tour<'_>) -> anyhow::Result<()> {
    let mut command = tour
        .technician
        .culvert(&["web", "device", "--browser", "chromium", "--"]);
    command.args(["--headless=new", "--no-sandbox", "--disable-gpu"]);
    let mut browser = tour.site.spawn("by-web", &mut command)?;
    tour.site.wait_for_page_proof(LIMIT)?;
    let who = tour.site.credentials();
    let shown = [who.page_word.clone(), who.live_word.clone()];
    tour.canaries.borrow_mut().extend(shown);
    browser.stop(LIMIT);
    Ok(())
}
