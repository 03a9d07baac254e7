//! What Tact must withstand: servers that are not there or go away, a full disk, events that cannot be read, requests that cannot be taken. Each
//! gets a clear error, a permit is never granted from what cannot be checked, and nothing that was acknowledged is lost.

mod away;
mod contacts;
mod no_room;
mod policies;
mod requests;
mod set_aside;
mod slow;
mod start;
