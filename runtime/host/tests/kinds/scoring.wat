  (func (export "switchyard:scoring/scoring@0.1.0#score") (param i64 i32 i32) (result i32)
    (global.set $stores (i64.add (global.get $stores) (i64.const 1)))
    (global.set $now (local.get 0))
    ;; begin call
    ;; end call
    (call $forget)
    (i32.const 1024))
  (func (export "switchyard:scoring/scoring@0.1.0#adopt") (param i64 i32 i32 i32) (call $forget))
  (func (export "switchyard:scoring/scoring@0.1.0#tick") (param i64 i64))
  ;; one score
  (data (i32.const 1024) "\80\04\00\00\01\00\00\00")
  ;; it: scope "hit", value some(0.0), no parts, no findings, no forecast
  (data (i32.const 1152) "\60\08\00\00\03\00\00\00" "\01\00\00\00\00\00\00\00" "\00\00\00\00\00\00\00\00"
    "\00\00\00\00\00\00\00\00" "\00\00\00\00\00\00\00\00" "\00\00\00\00\00\00\00\00" "\00\00\00\00\00\00\00\00")
