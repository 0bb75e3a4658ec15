;; begin store
(if (i64.gt_u (global.get $stores) (i64.const 25000))
  (then (call $log (i32.const 1) (i32.const 0) (i32.const 65536))))
;; end store
