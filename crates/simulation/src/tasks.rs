//! The executor: futures stepped one at a time, in the order that the seed says. One thread, no timer, no wall clock.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use rand::Rng;
use rand::rngs::SmallRng;

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Task<L, T> {
    label: L,
    flag: Arc<Flag>,
    future: Pin<Box<dyn Future<Output = T>>>,
}

/// Futures under way, each with a label.
pub(crate) struct Tasks<L, T> {
    tasks: Vec<Task<L, T>>,
}

impl<L, T> Default for Tasks<L, T> {
    fn default() -> Self {
        Self { tasks: Vec::new() }
    }
}

impl<L, T> Tasks<L, T> {
    /// Begins one; it takes its first step when it is chosen.
    pub(crate) fn spawn(&mut self, label: L, future: impl Future<Output = T> + 'static) {
        // Inside a runtime its locks would make a future wait once it has done much, until the runtime has its turn; here nobody has but the seed.
        let future = Box::pin(tokio::task::coop::unconstrained(future));
        self.tasks.push(Task { label, flag: Arc::new(Flag(AtomicBool::new(true))), future });
    }

    /// How many are under way.
    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether none is.
    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// How many have such a label.
    pub(crate) fn count(&self, which: impl Fn(&L) -> bool) -> usize {
        self.tasks.iter().filter(|task| which(&task.label)).count()
    }

    /// Drops those whose labels say so, wherever they are, and hands back the labels.
    pub(crate) fn kill(&mut self, mut which: impl FnMut(&L) -> bool) -> Vec<L> {
        let mut dead = Vec::new();
        let mut at = 0;
        while at < self.tasks.len() {
            if which(&self.tasks[at].label) {
                dead.push(self.tasks.remove(at).label);
            } else {
                at += 1;
            }
        }
        dead
    }

    /// Drops one of them, whichever the seed says.
    pub(crate) fn kill_one(&mut self, rng: &mut SmallRng) -> Option<L> {
        if self.tasks.is_empty() {
            return None;
        }
        let at = rng.random_range(0..self.tasks.len());
        Some(self.tasks.remove(at).label)
    }

    /// Takes one step of one that can go on; hands back its label and result if that was its last. `None` if nothing can go on.
    pub(crate) fn step(&mut self, rng: &mut SmallRng) -> Option<Option<(L, T)>> {
        let ready: Vec<usize> =
            self.tasks.iter().enumerate().filter(|(_, t)| t.flag.0.load(Ordering::Relaxed)).map(|(at, _)| at).collect();
        if ready.is_empty() {
            return None;
        }
        let at = ready[rng.random_range(0..ready.len())];
        let task = &mut self.tasks[at];
        task.flag.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(task.flag.clone());
        match task.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => {
                let task = self.tasks.remove(at);
                Some(Some((task.label, result)))
            }
            Poll::Pending => Some(None),
        }
    }
}
