use std::fmt;

/// A resource that can be limited: a number, with the names that setrlimit(2) gives.
///
/// Every number is accepted, also the `libc::RLIMIT_*`, whose type depends on the C library. The kernel refuses those
/// that it does not know, with `EINVAL`.
///
/// ```
/// use childset::{Command, Resource};
///
/// let mut command = Command::new("sh");
/// command.args(["-c", "test $(ulimit -n) = 20"]).rlimit(Resource::NOFILE, 20, 20);
/// assert!(command.spawn()?.wait()?.success());
///
/// assert_eq!(Resource::NOFILE.to_string(), "RLIMIT_NOFILE");
/// assert_eq!(Resource::from(libc::RLIMIT_NOFILE), Resource::NOFILE);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource(u32);

macro_rules! resources {
    ($($(#[$doc:meta])* $name:ident = $number:ident;)*) => {
        impl Resource {
            $($(#[$doc])* pub const $name: Resource = Resource(libc::$number as u32);)*

            fn name(self) -> Option<&'static str> {
                match self {
                    $(Resource::$name => Some(stringify!($number)),)*
                    _ => None,
                }
            }
        }
    };
}

resources! {
    /// Processor time, in seconds; `SIGXCPU` comes at the soft limit.
    CPU = RLIMIT_CPU;
    /// The size of a file that is written, in bytes; `SIGXFSZ` comes at the soft limit.
    FSIZE = RLIMIT_FSIZE;
    /// Memory for data (heap and private mappings), in bytes.
    DATA = RLIMIT_DATA;
    /// The stack, in bytes; also a quarter of it for arguments and environment.
    STACK = RLIMIT_STACK;
    /// The size of a core dump, in bytes; 0 for none.
    CORE = RLIMIT_CORE;
    /// The resident set, in bytes; Linux ignores it.
    RSS = RLIMIT_RSS;
    /// Processes and threads of the user.
    NPROC = RLIMIT_NPROC;
    /// One more than the highest descriptor.
    NOFILE = RLIMIT_NOFILE;
    /// Memory that may be locked (mlock(2)), in bytes.
    MEMLOCK = RLIMIT_MEMLOCK;
    /// Address space, in bytes.
    AS = RLIMIT_AS;
    /// File locks; Linux ignores it.
    LOCKS = RLIMIT_LOCKS;
    /// Signals of the user that are queued and not yet delivered.
    SIGPENDING = RLIMIT_SIGPENDING;
    /// POSIX message queues of the user, in bytes.
    MSGQUEUE = RLIMIT_MSGQUEUE;
    /// How far the nice value may be lowered: to 20 minus this.
    NICE = RLIMIT_NICE;
    /// The highest real-time priority.
    RTPRIO = RLIMIT_RTPRIO;
    /// Processor time of a real-time thread without a blocking call, in microseconds.
    RTTIME = RLIMIT_RTTIME;
}

impl Resource {
    /// The number: see [`Resource`].
    pub fn as_raw(self) -> u32 {
        self.0
    }
}

/// The type of `libc::RLIMIT_*` with the GNU C library.
impl From<u32> for Resource {
    fn from(number: u32) -> Resource {
        Resource(number)
    }
}

/// The type of `libc::RLIMIT_*` with musl.
impl From<i32> for Resource {
    fn from(number: i32) -> Resource {
        Resource(number as u32)
    }
}

/// `RLIMIT_NOFILE`, or the number where there is no name: `resource limit 99`.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "resource limit {}", self.0),
        }
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
