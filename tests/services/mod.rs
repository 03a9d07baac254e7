//! The services over HTTP, as branches use them: consents, appointments, care referrals, feedback and the directory.

mod agenda;
mod appointments;
mod bad_input;
mod consents;
mod directory;
mod evidence;
mod feedback;
mod figures;
mod referrals;
mod worklist;
