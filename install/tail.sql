-- Privileges ------------------------------------------------------------------------

-- Nobody may call anything but for what is granted here, whatever the default
-- privileges of the database are: to everybody what changes nothing, and looks
-- itself at who asks.  All else is for those to whom the DBA grants it.
REVOKE ALL ON ALL ROUTINES IN SCHEMA loyalty, _loyalty FROM PUBLIC;

-- readers: the views of programs call these
GRANT EXECUTE ON ROUTINE _loyalty.tier_for TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.accrual_of TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.state_of TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.balance TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.tier_at TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.tenure TO PUBLIC;
GRANT USAGE ON TYPE _loyalty.accrual, _loyalty.account_state, loyalty.receipt TO PUBLIC;
GRANT EXECUTE ON ROUTINE loyalty.verify TO PUBLIC;
GRANT EXECUTE ON ROUTINE loyalty.backlog TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.require_program TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.require_existing TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.require_layout TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.layout TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.library_layout TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.left_triggers TO PUBLIC;

-- whoever makes a partition, for the event trigger and its triggers
GRANT EXECUTE ON ROUTINE _loyalty.record TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.descendants TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.trigger_name TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.trigger_command TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.trigger_comment TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.trigger_arguments TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.warn_of_left_parts TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.cannot_be_kept TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.is_definition TO PUBLIC;
