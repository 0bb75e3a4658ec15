;; Counts its stores, also over instances: its state, of the format "hit", is the count. Its counter shows it.
;; begin describe
(i32.store (i32.const 296) (i32.const 1))
(i32.store (i32.const 300) (i32.const 2144))
(i32.store (i32.const 304) (i32.const 3))
;; end describe
;; begin store
(global.set $known (i64.add (global.get $known) (i64.const 1)))
(call $count (i32.const 0) (i64.const 1))
;; end store
;; begin export
(i64.store (i32.const 4096) (global.get $known))
(i32.store (i32.const 768) (i32.const 4096))
(i32.store (i32.const 772) (i32.const 8))
;; end export
;; begin import
(if (i32.ne (local.get 3) (i32.const 8)) (then unreachable))
(global.set $known (i64.load align=1 (local.get 2)))
(call $count (i32.const 0) (global.get $known))
;; end import
