//! What is said of other hosts.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::hosts::Login;
use crate::placeholder::{by_number, Syntax};
use crate::remote::Remote;
use crate::template::Template;

#[derive(Args, Debug)]
pub(super) struct OfHosts {
    /// Run jobs there, each by ssh: so many at a time, or as many as -j says; : is this machine
    #[arg(
        short = 'S',
        long = "sshlogin",
        value_name = "[N/]HOST,...",
        value_delimiter = ',',
        conflicts_with = "ungroup"
    )]
    sshlogins: Vec<OsString>,

    /// Hosts in a file, one a line, or - for standard input
    #[arg(long = "sshloginfile", visible_alias = "slf", value_name = "FILE")]
    sshloginfile: Option<PathBuf>,

    /// What to run instead of ssh, with options: 'ssh -p 2222'
    #[arg(long, value_name = "COMMAND", env = "PARALLEL_SSH", default_value = "ssh")]
    ssh: OsString,

    /// Copy this file to the host first; {} is the argument
    #[arg(long, visible_alias = "tf", value_name = "PATH")]
    transferfile: Vec<OsString>,

    /// The same as --transferfile {}
    #[arg(long)]
    transfer: bool,

    /// Copy this file back when the job has ended
    #[arg(long, value_name = "PATH")]
    r#return: Vec<OsString>,

    /// Remove these files from the host in the end
    #[arg(long)]
    cleanup: bool,

    /// The same as --transferfile {} --return PATH --cleanup
    #[arg(long, value_name = "PATH")]
    trc: Vec<OsString>,

    /// Jobs on hosts run in this directory, which is made; it is the home directory otherwise
    #[arg(long, visible_alias = "wd", value_name = "DIR")]
    workdir: Option<OsString>,
}

impl OfHosts {
    pub(super) fn logins(&self) -> Result<Vec<Login>, String> {
        let file = match &self.sshloginfile {
            None => Vec::new(),
            Some(path) if path.as_os_str() == "-" => {
                let mut bytes = Vec::new();
                std::io::stdin().read_to_end(&mut bytes).map_err(|error| error.to_string())?;
                bytes
            }
            Some(path) => std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?,
        };
        let in_file = file.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        let in_file = in_file.filter(|line| !line.is_empty() && !line.starts_with(b"#"));
        let names = self.sshlogins.iter().map(|name| name.as_bytes()).chain(in_file);
        let logins: Vec<_> = names.map(Login::parse).collect();
        if logins.iter().any(|login| login.name.is_empty() || login.name.as_bytes().contains(&b' ')) {
            return Err("-S: a host is [N/]HOST; --ssh has options of ssh".to_owned());
        }
        let is_for_hosts = self.cleanup || self.transfer || self.workdir.is_some();
        let has_files = !(self.transferfile.is_empty() && self.r#return.is_empty() && self.trc.is_empty());
        if logins.is_empty() && (is_for_hosts || has_files) {
            return Err("without -S there is no other host to have files or a directory".to_owned());
        }
        Ok(logins)
    }

    pub(super) fn remote(
        &self,
        syntax: Syntax<'_>,
        names: &[OsString],
        grace: Duration,
    ) -> Result<Remote, String> {
        let words = self.ssh.as_bytes().split(|&byte| byte == b' ').filter(|word| !word.is_empty());
        let command: Vec<_> = words.map(|word| OsString::from_vec(word.to_vec())).collect();
        if command.is_empty() {
            return Err("--ssh: it is empty".to_owned());
        }
        let template = |path: &OsString| Template::new(&[by_number(path, names)], syntax);
        let whole = syntax.whole.to_owned();
        let all = (self.transfer || !self.trc.is_empty()).then_some(&whole);
        Ok(Remote {
            command,
            workdir: self.workdir.clone(),
            transfer: self.transferfile.iter().chain(all).map(template).collect::<Result<_, _>>()?,
            returns: self.r#return.iter().chain(&self.trc).map(template).collect::<Result<_, _>>()?,
            cleanup: self.cleanup || !self.trc.is_empty(),
            grace,
        })
    }
}
