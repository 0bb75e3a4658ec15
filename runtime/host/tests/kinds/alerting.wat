  (func $call (result i32)
    (global.set $stores (i64.add (global.get $stores) (i64.const 1)))
    ;; begin call
    ;; end call
    (call $forget)
    (i32.const 1024))
  (func (export "switchyard:alerting/alerting@0.1.0#evaluate")
    (param i64 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (global.set $now (local.get 0))
    (call $call))
  (func (export "switchyard:alerting/alerting@0.1.0#notify") (param i64 i32 i32) (result i32)
    (global.set $now (local.get 0))
    (call $call))
  (func (export "switchyard:alerting/alerting@0.1.0#adopt") (param i64 i32 i32 i32) (call $forget))
  (func (export "switchyard:alerting/alerting@0.1.0#tick") (param i64 i64 i64 i64))
  ;; an empty list
  (data (i32.const 1024) "\00\00\00\00\00\00\00\00")
  ;; a verdict: rule "hit", series 7, critical, value 0.0, for 0 ms, no reason, no evidence
  (data (i32.const 1152) "\60\08\00\00\03\00\00\00" "\07\00\00\00\00\00\00\00" "\03\00\00\00\00\00\00\00"
    "\00\00\00\00\00\00\00\00" "\00\00\00\00\00\00\00\00" "\60\08\00\00\00\00\00\00" "\60\08\00\00\00\00\00\00")
