//! How a command can end other than well, and what the shell is told of it.

use std::{fmt, io, process::ExitCode};

use weir_model::Problem;

use super::output::note;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments do not make sense together; clap could not know.
    Usage(String),
    /// It did not work.
    Problem(Problem),
    /// It ran, was reported in full, and is not as it should be: a check of a pipeline failed.
    Reported,
    /// Who reads the output has seen enough (`| head`). Not an error.
    ReaderGone,
}

impl Failure {
    /// Tells the user, once, and gives the code to end with: 0 ok, 1 failed, 2 usage.
    pub(crate) fn report(&self, usage: &str) -> ExitCode {
        match self {
            Self::Usage(message) => {
                note(format_args!("error: {message}\n\n{usage}\n\nFor more information, try '--help'."));
                ExitCode::from(2)
            }
            Self::Problem(problem) => {
                note(ProblemText(problem));
                ExitCode::FAILURE
            }
            Self::Reported => ExitCode::FAILURE,
            Self::ReaderGone => ExitCode::SUCCESS,
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<clap::Error> for Failure {
    fn from(error: clap::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<io::Error> for Failure {
    /// An error of writing output; other I/O is reported where it is understood.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::Problem(Problem::new(
                "The output could not be written",
                error.to_string(),
                "Check where the output goes: its disk may be full or its pipe closed",
            )),
        }
    }
}

/// A problem as the terminal shows it: what, why, what to do, a line each.
pub(crate) struct ProblemText<'a>(pub(crate) &'a Problem);

impl fmt::Display for ProblemText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { what, why, what_to_do } = self.0;
        write!(f, "error: {what}\n  why:        {why}\n  what to do: {what_to_do}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_not_an_error() {
        assert!(matches!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)), Failure::ReaderGone));
        assert!(matches!(Failure::from(io::Error::from(io::ErrorKind::StorageFull)), Failure::Problem(_)));
    }

    #[test]
    fn a_problem_says_what_why_and_what_to_do() {
        let problem = Problem::new("No answer", "connection refused", "Start a broker");
        assert_eq!(ProblemText(&problem).to_string(), "error: No answer\n  why:        connection refused\n  what to do: Start a broker");
    }
}
