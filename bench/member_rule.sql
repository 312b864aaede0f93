-- One of the ten rules is for some members, so that entries have what each of them gives.
UPDATE club.earning_rule SET for_members = 'spend > 1000' WHERE name = 'big';
