  (func (export "switchyard:routing/routing@0.1.0#pick")
    (param i64 i64 i64 i32 i64 i32 i32 i32 i32) (param $candidates i32) (param $length i32) (param i32 i32)
    (result i32)
    (global.set $stores (i64.add (global.get $stores) (i64.const 1)))
    ;; The first candidate, whoever that is.
    (i32.store (i32.const 1028) (i32.const 1056))
    (i32.store (i32.const 1032) (i32.const 1))
    (i32.store (i32.const 1056) (i32.load (local.get $candidates)))
    (global.set $now (local.get 0))
    ;; begin call
    ;; end call
    (call $forget)
    (i32.const 1024))
  (func (export "switchyard:routing/routing@0.1.0#backends") (param i64 i32 i32) (call $forget))
  (func (export "switchyard:routing/routing@0.1.0#observe") (param i64 i32 i32) (call $forget))
  (func (export "switchyard:routing/routing@0.1.0#adopt") (param i64 i32 i32 i32) (call $forget))
  (func (export "switchyard:routing/routing@0.1.0#tick") (param i64 i64 i64 i64))
