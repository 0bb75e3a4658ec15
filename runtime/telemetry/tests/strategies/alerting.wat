  (func (export "switchyard:alerting/alerting@0.1.0#evaluate")
    (param $now i64) (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (call $forget)
    (if (call $is-live (local.get $now)) (then ;; live
    ))
    (i32.const 768))
  ;; Whoever tells nothing of an alert keeps it from everybody.
  (func (export "switchyard:alerting/alerting@0.1.0#notify") (param $now i64) (param i32 i32) (result i32)
    (call $forget)
    (if (call $is-live (local.get $now)) (then ;; notify
    ))
    (i32.const 768))
  (func (export "switchyard:alerting/alerting@0.1.0#adopt") (param i64 i32 i32 i32) (call $forget))
  (func (export "switchyard:alerting/alerting@0.1.0#tick") (param i64 i64 i64 i64))
  ;; a verdict: rule "hit", series 1, critical, value 0.0, for 0 ms, no reason, no evidence
  (data (i32.const 1152) "\60\08\00\00\03\00\00\00" "\01\00\00\00\00\00\00\00" "\03\00\00\00\00\00\00\00"
    "\00\00\00\00\00\00\00\00" "\00\00\00\00\00\00\00\00" "\60\08\00\00\00\00\00\00" "\60\08\00\00\00\00\00\00")
