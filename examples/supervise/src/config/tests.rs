use childset::Resource;

use super::*;

fn error(text: &str) -> String {
    parse(text, false).unwrap_err().to_string()
}

#[test]
fn defaults() {
    let services = parse("[[service]]\nname = 'a'\ncommand = ['true']\n", false).unwrap().services;
    let [service] = &services[..] else { panic!("{services:?}") };
    assert_eq!((service.restart, service.max_restarts), (Restart::Always, None));
    assert_eq!((service.stop.signal(), service.stop.grace()), (Signal::TERM, Duration::from_secs(10)));
    assert_eq!(
        (service.account.clone(), service.gid, service.limits.clone()),
        (None, None, Limits::default())
    );
}

#[test]
fn all_keys() {
    let text = "[[service]]
name = 'a'
command = ['sh', '-c', 'true']
directory = '/'
environment = { X = 'y', EMPTY = '' }
user = 'root'
group = 0
limits = { nofile = 20, core = 'unlimited' }
restart = 'on-failure'
max_restarts = 3
backoff = { first = '10ms', cap = '1m', factor = 1.5, jitter = 0, reset_after = '1h' }
stop = { signal = 'INT', grace = '1s 500ms' }
ready = { check = ['true'], every = '2s', timeout = '3s' }
start_within = '4s'
watchdog = '5s'
log = { file = '/var/log/a', size = '2M', rotate = 3 }
";
    let service = parse(text, false).unwrap().services.remove(0);
    assert_eq!(service.environment, [("EMPTY".into(), "".into()), ("X".into(), "y".into())]);
    let account = service.account.unwrap();
    assert_eq!((account.uid, account.gid), (0, 0));
    assert!(account.environment.contains(&("USER", "root".into())));
    assert_eq!(service.limits.0, [(Resource::CORE, u64::MAX), (Resource::NOFILE, 20)]);
    assert_eq!((service.restart, service.max_restarts), (Restart::OnFailure, Some(3)));
    assert_eq!((service.stop.signal(), service.stop.grace()), (Signal::INT, Duration::from_millis(1500)));
    let Ready::Check(check) = service.ready else { panic!("{:?}", service.ready) };
    let times = [check.every.0, check.timeout.0, service.start_within.unwrap(), service.watchdog.unwrap()];
    assert_eq!(times.map(|time| time.as_secs()), [2, 3, 4, 5]);
    assert_eq!(service.log, Some(Log { file: "/var/log/a".into(), size: 2 << 20, rotate: 3 }));
}

#[test]
fn logs() {
    let log = |text: &str| {
        let text = format!("[[service]]\nname = 'a'\ncommand = ['true']\nlog = {text}\n");
        parse(&text, false).unwrap().services.remove(0).log.unwrap()
    };
    let wanted = Log { file: "x".into(), size: 1 << 20, rotate: 10 };
    assert_eq!([log("'x'"), log("{ file = 'x' }")], [wanted.clone(), wanted]);
    for (text, size) in [
        ("4096", 4096),
        ("'4096'", 4096),
        ("'100k'", 100 << 10),
        ("'10M'", 10 << 20),
        ("'2m'", 2 << 20),
        ("'1G'", 1 << 30),
        ("0", u64::MAX),
        ("'0'", u64::MAX),
    ] {
        assert_eq!(log(&format!("{{ file = 'x', size = {text} }}")).size, size, "{text}");
    }
}

/// The first wrong line is named, with the reason.
#[test]
fn bad_files() {
    let service = "[[service]]\nname = 'a'\ncommand = ['true']\n";
    for (more, line, reason) in [
        ("user = 'nobody-of-that-name'", 4, "there is no user"),
        ("user = 4294967294", 4, "its group must be given"),
        ("user = 1.5", 4, "a name or a number"),
        ("group = 'no-group-of-that-name'", 4, "there is no group"),
        ("\nrestart = 'sometimes'", 5, "sometimes"),
        ("limits = { nofiles = 3 }", 4, "no resource limit \"nofiles\""),
        ("limits = { nofile = -3 }", 4, "a number or"),
        ("cgroup = '/tmp/x'", 4, "cgroup v2"),
        ("cgroup = 'x'", 4, "absolute"),
        ("stop = { signal = 'NONE' }", 4, "there is no signal \"NONE\""),
        ("stop = { grace = 'soon' }", 4, "grace: "),
        ("stop = { grace = 5 }", 4, "grace: invalid type"),
        ("directory = 3", 4, "directory: "),
        ("environment = { A = 1 }", 4, "A: "),
        ("essential = 'yes'", 4, "essential: "),
        ("essential = true\nrestart = 'always'", 5, "restart: an essential service"),
        ("limits = { core = 'x=y', nofile = 1.5 }", 4, "core: "),
        ("[[service]]\nname = 'b'\ncommand = ['x=y', 3]", 6, "command: "),
        ("backoff = { first = '1s', jitter = 2 }", 4, "from 0 to 1"),
        ("environment = { 'A=B' = 'c' }", 4, "variable"),
        ("environment = { A = \"\\u0000\" }", 4, "null byte"),
        ("max_restarts = -1", 4, "-1"),
        ("comand = ['false']", 4, "comand"),
        ("name = 'b'", 4, "duplicate"),
        ("broken", 4, "="),
        ("after = ['x']", 4, "after: there is no service \"x\""),
        ("after = ['a']", 4, "wait for itself"),
        ("[[service]]\nname = 'b'\ncommand = ['x']\nafter = ['c']\n[[service]]\nname = 'c'\ncommand = ['x']\nafter = ['b']", 7, "wait for itself"),
        ("ready = 'soon'", 4, "ready: expected \"started\""),
        ("ready = { check = [] }", 4, "ready: the check has no program"),
        ("ready = 'ended'", 4, "never ends"),
        ("watchdog = '0s'", 4, "watchdog: "),
        ("log = 3", 4, "log: invalid type: integer `3`, expected a path, or { file"),
        ("log = '/'", 4, "log: expected the path of a file"),
        ("log = \"a\\u0000\"", 4, "null byte"),
        ("log = { size = '1M' }", 4, "missing field `file`"),
        ("log = { file = 'a', keep = 3 }", 4, "keep"),
        ("log = { file = 'a', rotate = -1 }", 4, "rotate: "),
        ("log = { file = 'a', size = '1x' }", 4, "size: expected a number of bytes"),
        ("log = { file = 'a', size = '+1M' }", 4, "size: expected a number of bytes"),
        ("log = { file = 'a', size = -1 }", 4, "size: expected a number of bytes"),
        ("log = { file = 'a', size = '99999999999G' }", 4, "size: expected a number of bytes"),
        ("log = { file = 'a', size = 4095 }", 4, "size: expected at least 4k"),
        ("log = 'x'\n[[service]]\nname = 'b'\ncommand = ['x']\nlog = 'x'", 8, "log: \"x\" is that of another service"),
        ("log = 'x.1'\n[[service]]\nname = 'b'\ncommand = ['x']\nlog = 'x'", 8, "log: \"x.1\" is that of another"),
        ("[[service]]\ncommand = ['true']", 4, "name"),
        ("[[service]]\nname = 'b'\ncommand = []", 6, "no program"),
        ("[[service]]\nname = 'b'\ncommand = 'true'", 6, "sequence"),
        ("[[service]]\nname = 'b'\ncommand = ['']", 6, "no program"),
        ("[[service]]\nname = ''\ncommand = ['true']", 5, "at least one character"),
        ("[[service]]\nname = 'b c'\ncommand = ['true']", 5, "no space"),
        ("[[service]]\nname = 'a'\ncommand = ['true']", 5, "two services \"a\""),
    ] {
        let error = error(&format!("{service}{more}\n"));
        assert!(error.starts_with(&format!("line {line}: ")) && error.contains(reason), "{more:?}: {error}");
        assert!(!error.contains('\n'), "{error:?}");
    }
    assert!(error("").contains("missing field `service`"), "{}", error(""));
    assert!(error("service = []").contains("there is no service"));
}

#[test]
fn files_are_looked_for_on_request() {
    let service = |more: &str| format!("[[service]]\nname = 'a'\n{more}\n");
    for (more, line, reason) in [
        ("command = ['no-such-program']", 3, "command: there is no program \"no-such-program\""),
        ("command = ['/no/such/program']", 3, "command: "),
        ("command = ['/etc/passwd']", 3, "command: "),
        ("command = ['sh']\nenvironment = { PATH = '/nowhere' }", 3, "command: "),
        ("command = ['sh']\ndirectory = '/no/such'", 4, "directory: there is no directory \"/no/such\""),
        ("command = ['sh']\ndirectory = '/etc/passwd'", 4, "directory: "),
        ("command = ['sh']\nlog = '/no/such/log'", 4, "log: there is no directory \"/no/such\""),
        ("command = ['sh']\nlog = '/dev/null'", 4, "log: \"/dev/null\" is no regular file"),
    ] {
        let error = parse(&service(more), true).unwrap_err().to_string();
        assert!(error.starts_with(&format!("line {line}: {reason}")), "{more:?}: {error}");
        assert!(parse(&service(more), false).is_ok(), "{more:?}");
    }
    for more in ["command = ['sh']", "command = ['bin/sh']\ndirectory = '/'", "command = ['/bin/sh']"] {
        assert_eq!(parse(&service(more), true).map(|config| config.services.len()), Ok(1), "{more:?}");
    }
}
