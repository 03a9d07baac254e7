-- By which words people are found: those of their names and mail addresses, and their numbers from each digit on. Personal data, erased with them.
-- Words stand in the order of their bytes, whatever language the server speaks: that is how the beginnings of words are looked up.

CREATE TABLE search_words (
    word     TEXT COLLATE "C" NOT NULL,
    patient  UUID NOT NULL,
    PRIMARY KEY (word, patient)
);
CREATE INDEX search_words_by_patient ON search_words (patient, word);

-- The names of clinicians who have left, by which whoever asks for them finds where they work now. No column holds a number of theirs.
CREATE TABLE clinicians (
    clinician  UUID PRIMARY KEY,
    name       TEXT NOT NULL
);
