  (func (export "switchyard:scoring/scoring@0.1.0#score") (param $now i64) (param i32 i32) (result i32)
    (call $forget)
    (if (call $is-live (local.get $now)) (then ;; live
    ))
    (i32.const 768))
  (func (export "switchyard:scoring/scoring@0.1.0#adopt") (param i64 i32 i32 i32) (call $forget))
  (func (export "switchyard:scoring/scoring@0.1.0#tick") (param i64 i64))
