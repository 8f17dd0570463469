//! .30, a device's web page: nginx with a cookie, a redirect to an absolute
//! address, a script and a WebSocket in the page, and the same again over HTTPS
//! with a certificate nobody has signed.

use std::fs;
use std::process::Command;

use super::Start;
use crate::namespace::{Ns, finish, said};
use crate::network::DEVICE_IP;
use crate::ready::wait_for_banner;
use crate::{LabError, Running};

pub(super) fn start(start: &Start<'_>) -> Result<Vec<Running>, LabError> {
    let folder = start.folder.join("hosts").join("device");
    let script = "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=device \
        -keyout key.pem -out cert.pem; mkdir -p page tmp";
    let mut command = Command::new("sh");
    command.args(["-ec", script]).current_dir(&folder);
    let output = finish(&mut command)?;
    if !output.status.success() {
        return Err(LabError::Failed {
            what: "making the device's certificate".into(),
            output: said(&output),
        });
    }
    let word = &start.who.page_word;
    let path = folder.join("page").join("status.html");
    fs::write(&path, PAGE.replace("WORD", word)).map_err(LabError::file(&path))?;
    let settings = SETTINGS
        .replace("FOLDER", &folder.display().to_string())
        .replace("ADDRESS", DEVICE_IP)
        .replace("WORD", word);
    let file = folder.join("nginx.conf");
    fs::write(&file, settings).map_err(LabError::file(&file))?;
    let nginx = start.run(Ns::Device, "nginx", |command| {
        command.arg("-c").arg(&file).args(["-e", "stderr"]);
    })?;
    Ok(vec![nginx])
}

pub(super) fn wait(start: &Start<'_>) -> Result<(), LabError> {
    wait_for_banner(start.world, Ns::Gateway, DEVICE_IP, 80, "")?;
    wait_for_banner(start.world, Ns::Gateway, DEVICE_IP, 443, "")
}

/// The script shows that a browser ran the page and did not only fetch it: it
/// asks for an address made of the page's word, backwards, and the word that
/// came over the WebSocket.
const PAGE: &str = "<!doctype html>
<title>Device</title>
<h1>Pump station 3</h1>
<p id=word>WORD</p>
<p id=script>not run</p>
<script>
const backwards = [...'WORD'].reverse().join('');
document.getElementById('script').textContent =
  'script ran on ' + location.host + ' ' + backwards;
new WebSocket(location.href.replace('http', 'ws').replace('status.html', 'live'))
  .onmessage = said => fetch('/proof/' + backwards + '/' + said.data);
</script>
";

/// `/` sends a browser to an absolute address, which answers only to the
/// cookie it has been given with it.
const SETTINGS: &str = "daemon off;
master_process off;
pid FOLDER/nginx.pid;
error_log stderr;
events { worker_connections 256; }
http {
  default_type text/html;
  access_log FOLDER/access.log;
  client_body_temp_path FOLDER/tmp;
  proxy_temp_path FOLDER/tmp;
  fastcgi_temp_path FOLDER/tmp;
  uwsgi_temp_path FOLDER/tmp;
  scgi_temp_path FOLDER/tmp;
  server {
    listen ADDRESS:80;
    listen ADDRESS:443 ssl;
    ssl_certificate FOLDER/cert.pem;
    ssl_certificate_key FOLDER/key.pem;
    root FOLDER/page;
    absolute_redirect off;
    location = / {
      add_header Set-Cookie 'session=WORD; Path=/; HttpOnly';
      return 302 $scheme://ADDRESS/status.html;
    }
    location = /status.html {
      if ($cookie_session != 'WORD') { return 403; }
    }
    location = /live {
      if ($cookie_session != 'WORD') { return 403; }
      proxy_pass http://unix:FOLDER/live.sock:/;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
    }
    location /proof/ { return 204; }
  }
}
";
