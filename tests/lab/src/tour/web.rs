//! The device's page in a real browser.

use anyhow::ensure;

use super::Tour;

/// The page's script writes the page's word backwards: only a browser that got
/// the redirect, the cookie and the page, and ran it, shows that.
pub(super) fn web(tour: &Tour<'_>) -> anyhow::Result<()> {
    let mut browser = tour
        .technician
        .culvert(&["web", "device", "--browser", "chromium", "--"]);
    browser.args(["--headless=new", "--no-sandbox", "--disable-gpu"]);
    browser.args(["--virtual-time-budget=10000", "--dump-dom"]);
    let output = browser.stdin(std::process::Stdio::null()).output()?;
    let page = String::from_utf8_lossy(&output.stdout);
    let word = &tour.site.credentials().page_word;
    let backwards: String = word.chars().rev().collect();
    let expected = format!("script ran on {} {backwards}", culvert_lab::DEVICE_IP);
    ensure!(
        page.contains(&expected),
        "the page is not what the device sent: {page}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
