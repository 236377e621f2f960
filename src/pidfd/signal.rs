use std::fmt;

/// A signal: a number, with the names that signal(7) gives.
///
/// ```
/// use childset::{Command, Signal};
///
/// let child = Command::new("sleep").arg("60").spawn()?;
/// child.send_signal(Signal::TERM)?;
/// assert_eq!(child.wait()?.signal(), Some(Signal::TERM));
///
/// assert_eq!(Signal::TERM.to_string(), "SIGTERM");
/// assert_eq!(Signal::from(9), Signal::KILL);
/// assert_eq!(Signal::KILL.as_raw(), 9);
/// # std::io::Result::Ok(())
/// ```
///
/// Every number is accepted. The kernel refuses those that it does not know, with `EINVAL`. 0 is no signal: sending it
/// only checks that a signal could be sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(i32);

macro_rules! signals {
    ($($(#[$doc:meta])* $name:ident = $number:ident;)*) => {
        impl Signal {
            $($(#[$doc])* pub const $name: Signal = Signal(libc::$number);)*

            fn name(self) -> Option<&'static str> {
                match self {
                    $(Signal::$name => Some(stringify!($number)),)*
                    _ => None,
                }
            }
        }
    };
}

signals! {
    /// The terminal was closed; to many daemons: read your settings again.
    HUP = SIGHUP;
    /// Ctrl-C.
    INT = SIGINT;
    /// Ctrl-\\; dumps core.
    QUIT = SIGQUIT;
    /// An illegal instruction.
    ILL = SIGILL;
    /// A breakpoint.
    TRAP = SIGTRAP;
    /// abort(3).
    ABRT = SIGABRT;
    /// Memory that is not there, or not aligned.
    BUS = SIGBUS;
    /// An arithmetic error, such as a division by zero.
    FPE = SIGFPE;
    /// Ends the process; it can neither be caught nor blocked.
    KILL = SIGKILL;
    /// For the program to define.
    USR1 = SIGUSR1;
    /// Memory that may not be accessed.
    SEGV = SIGSEGV;
    /// For the program to define.
    USR2 = SIGUSR2;
    /// A write to a pipe that nobody reads.
    PIPE = SIGPIPE;
    /// alarm(2).
    ALRM = SIGALRM;
    /// Asks the process to end.
    TERM = SIGTERM;
    /// A child has ended, or was stopped or continued.
    CHLD = SIGCHLD;
    /// Continues a stopped process.
    CONT = SIGCONT;
    /// Stops the process; it can neither be caught nor blocked.
    STOP = SIGSTOP;
    /// Ctrl-Z.
    TSTP = SIGTSTP;
    /// A process of a background group reads from the terminal.
    TTIN = SIGTTIN;
    /// A process of a background group writes to the terminal.
    TTOU = SIGTTOU;
    /// Urgent data on a socket.
    URG = SIGURG;
    /// The limit of processor time is reached (`RLIMIT_CPU`).
    XCPU = SIGXCPU;
    /// The limit of a file's size is reached (`RLIMIT_FSIZE`).
    XFSZ = SIGXFSZ;
    /// setitimer(2), `ITIMER_VIRTUAL`.
    VTALRM = SIGVTALRM;
    /// setitimer(2), `ITIMER_PROF`.
    PROF = SIGPROF;
    /// The window's size has changed.
    WINCH = SIGWINCH;
    /// A descriptor is ready (`O_ASYNC`).
    IO = SIGIO;
    /// The power fails.
    PWR = SIGPWR;
    /// A bad system call, or one that a filter answers so.
    SYS = SIGSYS;
}

impl Signal {
    /// The number: see [`Signal`].
    pub fn as_raw(self) -> i32 {
        self.0
    }
}

impl From<i32> for Signal {
    fn from(number: i32) -> Signal {
        Signal(number)
    }
}

impl From<Signal> for i32 {
    fn from(signal: Signal) -> i32 {
        signal.0
    }
}

/// `SIGTERM`, or the number where there is no name: `signal 40`.
impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
