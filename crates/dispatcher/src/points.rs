//! The points between which a dispatcher may die: tests stop one at each of them. In production nothing stands there.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use uuid::Uuid;

/// A point between two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Point {
    /// Permits have been read from the log, and nothing is kept of them.
    Read,
    /// They are kept.
    Taken,
    /// One of them is claimed.
    Claimed,
    /// Its message is made; nothing is begun.
    Made,
    /// A permit for somebody who shares the number, to be told with the same message, stands in the log.
    Asked,
    /// `contact.started` stands in the log; nothing has left.
    Begun,
    /// It stands in the stream of somebody who shares the number too; nothing is noted of that.
    Joined,
    /// The request to the gateway is about to be made.
    Sending,
    /// The gateway has answered; nothing is noted of it.
    Sent,
    /// The gateway is about to be asked what became of it.
    Asking,
    /// It has said that it never had it; it is about to be made to refuse it.
    Voiding,
    /// It is known how the contact ended, and not recorded.
    Settling,
    /// The outcome stands in the log, and is not noted here.
    Recorded,
    /// It stands in the stream of somebody else whom the message was for, too.
    RecordedToo,
}

impl Point {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Read,
        Self::Taken,
        Self::Claimed,
        Self::Made,
        Self::Asked,
        Self::Begun,
        Self::Joined,
        Self::Sending,
        Self::Sent,
        Self::Asking,
        Self::Voiding,
        Self::Settling,
        Self::Recorded,
        Self::RecordedToo,
    ];
}

type Hook = Arc<dyn Fn(Point, Uuid) -> BoxFuture<'static, ()> + Send + Sync>;

/// What happens at the points; by default nothing.
#[derive(Clone, Default)]
pub struct Points(Option<Hook>);

impl fmt::Debug for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Points(watched)" } else { "Points" })
    }
}

impl Points {
    /// Calls this at each point, with the permit that it is about (nil: many), and waits for what it returns.
    pub fn watched(hook: impl Fn(Point, Uuid) -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    pub(crate) async fn reach(&self, point: Point, permit: Uuid) {
        if let Some(hook) = &self.0 {
            hook(point, permit).await;
        }
    }
}
