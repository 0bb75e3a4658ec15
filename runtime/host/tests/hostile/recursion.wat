;; begin store
(if (i64.gt_u (global.get $stores) (i64.const 25000)) (then (drop (call $recurse (i64.const 0)))))
;; end store
