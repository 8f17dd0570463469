//! The systemd unit.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Name of the unit.
const UNIT: &str = "culvert-prs.service";

/// Writes the unit into a folder.
pub(super) fn write(folder: &Path, data: &Path) -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("this program's own path is not known")?;
    let data = std::path::absolute(data)?;
    let path = folder.join(UNIT);
    std::fs::write(&path, unit(&program, &data))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// The unit's text: root only to own the data folder, without any capability
/// but the one for ports below 1024.
fn unit(program: &Path, data: &Path) -> String {
    let (program, data) = (quoted(program), quoted(data));
    format!(
        "[Unit]\n\
         Description=Culvert relay, broker and API\n\
         After=network-online.target\n\
         Wants=network-online.target\n\
         \n\
         [Service]\n\
         ExecStart={program} serve --data {data}\n\
         Restart=always\n\
         RestartSec=2\n\
         KillSignal=SIGTERM\n\
         # Longer than drain_seconds can be.\n\
         TimeoutStopSec=1830\n\
         LimitNOFILE=262144\n\
         CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n\
         AmbientCapabilities=CAP_NET_BIND_SERVICE\n\
         NoNewPrivileges=yes\n\
         ProtectSystem=strict\n\
         ReadWritePaths={data}\n\
         ProtectHome=read-only\n\
         PrivateTmp=yes\n\
         PrivateDevices=yes\n\
         ProtectKernelTunables=yes\n\
         ProtectKernelModules=yes\n\
         ProtectControlGroups=yes\n\
         RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX\n\
         RestrictNamespaces=yes\n\
         LockPersonality=yes\n\
         MemoryDenyWriteExecute=yes\n\
         SystemCallFilter=@system-service\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    )
}

/// A path as systemd reads it: quoted, with its own signs doubled.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let text = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%")
        .replace('$', "$$");
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_names_program_and_folder_and_needs_one_capability() {
        let unit = unit(Path::new("/usr/bin/culvert-prs"), Path::new("/srv/a b"));

        assert!(unit.contains("ExecStart=\"/usr/bin/culvert-prs\" serve --data \"/srv/a b\"\n"));
        assert!(unit.contains("CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n"));
        assert!(unit.contains("NoNewPrivileges=yes\n"));
    }
}
