;; A plugin that answers with empty lists, as small as the contract allows; `live` does something on a node and not in the
;; self-test, whose clock is far from a node's.
(module
  (memory (export "memory") 64)
  (global $heap (mut i32) (i32.const 65536))
  (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (local.get $at))
  (func $forget (global.set $heap (i32.const 65536)))
  ;; A node's clock begins at thirty days; the self-test's at nothing, and it looks at the end of time.
  (func $is-live (param $now i64) (result i32)
    (i32.and (i64.gt_u (local.get $now) (i64.const 2000000000)) (i64.lt_u (local.get $now) (i64.const 1000000000000))))
  (func (export "switchyard:lifecycle/lifecycle@0.1.0#describe") (result i32) (i32.const 256))
  (func (export "switchyard:lifecycle/lifecycle@0.1.0#configure") (param i32 i32 i64) (result i32)
    (call $forget) (i32.const 512))
  (func (export "switchyard:lifecycle/lifecycle@0.1.0#export-state") (result i32) (i32.const 768))
  (func (export "switchyard:lifecycle/lifecycle@0.1.0#import-state") (param i32 i32 i32 i32) (result i32)
    (call $forget) (i32.const 512))
  ;; hooks
  ;; description: name, version, kinds, schema, default, state-format, interests, counters, gauges
  (data (i32.const 256) "\00\08\00\00\07\00\00\00" "\10\08\00\00\05\00\00\00" "\00\06\00\00\01\00\00\00"
    "\20\08\00\00\0f\00\00\00" "\30\08\00\00\02\00\00\00" "\00\00\00\00\00\00\00\00\00\00\00\00"
    "\00\00\00\00\00\00\00\00" "\40\00\00\00" "\00\00\00\00\00\00\00\00" "\00\00\00\00"
    "\00\00\00\00\00\00\00\00" "\00\00\00\00\00\00\00\00")
  ;; ok
  (data (i32.const 512) "\00\00\00\00\00\00\00\00\00\00\00\00")
  ;; an empty list
  (data (i32.const 768) "\00\00\00\00\00\00\00\00")
  ;; a list of one
  (data (i32.const 1024) "\80\04\00\00\01\00\00\00")
  (data (i32.const 1536) "\50\08\00\00LENGTH")
  (data (i32.const 2048) "fixture")
  (data (i32.const 2064) "0.1.0")
  (data (i32.const 2080) "{\"type\":\"any\"} ")
  (data (i32.const 2096) "{}")
  (data (i32.const 2128) "KIND")
  (data (i32.const 2144) "hit")
)
