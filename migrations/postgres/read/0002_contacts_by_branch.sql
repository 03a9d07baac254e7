-- What a branch has done on a day.
CREATE INDEX contacts_by_branch ON contacts (branch, time);
