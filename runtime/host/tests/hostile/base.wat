;; A plugin that admits everything and names no victims: as small as the contract allows. Fixtures replace the bodies
;; between `begin` and `end`; what they do not name stays honest.
(module
  (import "switchyard:lifecycle/host@0.1.0" "log" (func $log (param i32 i32 i32)))
  (import "switchyard:lifecycle/host@0.1.0" "count" (func $count (param i32 i64)))
  (memory (export "memory") 16)
  (table $functions 1 funcref)
  (global $heap (mut i32) (i32.const 65536))
  ;; Calls of `store`: a hostile guest can wait until the self-test is over.
  (global $stores (mut i64) (i64.const 0))
  ;; What time it is, where a kind's hooks say so.
  (global $now (mut i64) (i64.const 0))
  ;; What a fixture with a state remembers.
  (global $known (mut i64) (i64.const 0))

  (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32)
    (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (local.get $at))
  (func $forget (global.set $heap (i32.const 65536)))

  (func $start
    ;; begin start
    ;; end start
  )
  (start $start)

  (func (export "switchyard:lifecycle/lifecycle@0.1.0#describe") (result i32)
    ;; begin describe
    ;; end describe
    (i32.const 256))

  (func (export "switchyard:lifecycle/lifecycle@0.1.0#configure") (param i32 i32 i64) (result i32)
    ;; begin configure
    ;; end configure
    (call $forget)
    (i32.const 512))

  (func (export "switchyard:lifecycle/lifecycle@0.1.0#export-state") (result i32)
    ;; begin export
    ;; end export
    (i32.const 768))
  (func (export "switchyard:lifecycle/lifecycle@0.1.0#import-state") (param i32 i32 i32 i32) (result i32)
    ;; begin import
    ;; end import
    (call $forget)
    (i32.const 512))

  ;; the kind
  (func (export "switchyard:caching/caching@0.1.0#resize") (param i32 i64)
    ;; begin resize
    ;; end resize
  )

  (func (export "switchyard:caching/caching@0.1.0#store")
    (param $now i64) (param $id i64) (param $namespace i32) (param $size i32)
    (param i32 i64) (param i32 i32 i32) (param $backlog i32) (param $length i32) (result i32)
    (global.set $stores (i64.add (global.get $stores) (i64.const 1)))
    (global.set $now (local.get $now))
    ;; begin store
    ;; end store
    (call $forget)
    (i32.const 1024))

  (func (export "switchyard:caching/caching@0.1.0#observe") (param i64 i32 i32)
    ;; begin observe
    ;; end observe
    (call $forget))
  (func (export "switchyard:caching/caching@0.1.0#adopt") (param i64 i32 i32 i32)
    ;; begin adopt
    ;; end adopt
    (call $forget))
  (func (export "switchyard:caching/caching@0.1.0#tick") (param i64 i64 i64 i64 i64))

  ;; end of the kind
  (func $recurse (param $depth i64) (result i64)
    (i64.add (i64.const 1) (call $recurse (i64.add (local.get $depth) (i64.const 1)))))

  ;; description: name, version, kinds, schema, default, state-format, interests, counters, gauges
  (data (i32.const 256) "\00\08\00\00\07\00\00\00" "\10\08\00\00\05\00\00\00" "\00\06\00\00\01\00\00\00"
    "\20\08\00\00\0f\00\00\00" "\30\08\00\00\02\00\00\00" "\00\00\00\00\00\00\00\00\00\00\00\00"
    "\10\06\00\00\01\00\00\00" "\40\00\00\00" "\00\00\00\00\00\00\00\00" "\00\00\00\00"
    "\20\06\00\00\01\00\00\00" "\00\00\00\00\00\00\00\00")
  ;; ok
  (data (i32.const 512) "\00\00\00\00\00\00\00\00\00\00\00\00")
  ;; an empty list
  (data (i32.const 768) "\00\00\00\00\00\00\00\00")
  ;; decision: admit, memory, no ttl, not compressed, no victims
  (data (i32.const 1024) "\01\01\00\00\00\00\00\00" "\00\00\00\00\00\00\00\00" "\00\00\00\00\00\00\00\00"
    "\00\00\00\00" "\00\10\00\00" "\00\00\00\00" "\00\00\00\00")
  ;; lists of names: caching; hit; stored
  (data (i32.const 1536) "\50\08\00\00\07\00\00\00")
  (data (i32.const 1552) "\60\08\00\00\03\00\00\00")
  (data (i32.const 1568) "\70\08\00\00\06\00\00\00")
  (data (i32.const 2048) "hostile")
  (data (i32.const 2064) "0.1.0")
  (data (i32.const 2080) "{\"type\":\"any\"} ")
  (data (i32.const 2096) "{}")
  (data (i32.const 2128) "caching")
  (data (i32.const 2144) "hit")
  (data (i32.const 2160) "stored")
)
