//! What all tables of the ledger look like, for whoever carries them whole from one database to another. A test holds it against the databases.

use tact_database::bulk::Kind::{Bool, Bytes, Int, Text, Time};
use tact_database::copy::{Kept, Layout};

use crate::store::TABLES;

/// All of them.
pub static KEPT: Kept = Kept {
    component: &TABLES,
    layouts: &[
        Layout {
            table: "logs",
            columns: &[
                ("id", Int),
                ("origin", Text),
                ("first_shard", Int),
                ("last_shard", Int),
                ("position", Int),
                ("size", Int),
                ("streams", Int),
                ("note", Text),
            ],
        },
        Layout { table: "runs", columns: &[("log", Int), ("leaf", Int), ("position", Int)] },
        Layout { table: "tiles", columns: &[("log", Int), ("level", Int), ("number", Int), ("hashes", Bytes)] },
        Layout { table: "nodes", columns: &[("id", Bytes), ("node", Bytes)] },
        Layout {
            table: "checkpoints",
            columns: &[("number", Int), ("made_at", Time), ("hourly", Bool), ("note", Text), ("logs", Text)],
        },
        Layout {
            table: "keys",
            columns: &[("number", Int), ("public_key", Text), ("valid_from", Time), ("valid_until", Time), ("succession", Text)],
        },
    ],
};
