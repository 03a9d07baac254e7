-- By which words people are found: those of their names and mail addresses, and their numbers from each digit on. Personal data, erased with them.

CREATE TABLE search_words (
    word     TEXT NOT NULL,
    patient  BLOB NOT NULL,
    PRIMARY KEY (word, patient)
) STRICT, WITHOUT ROWID;
CREATE INDEX search_words_by_patient ON search_words (patient, word);

-- The names of clinicians who have left, by which whoever asks for them finds where they work now. No column holds a number of theirs.
CREATE TABLE clinicians (
    clinician  BLOB PRIMARY KEY,
    name       TEXT NOT NULL
) STRICT;
