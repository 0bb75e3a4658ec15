;; begin configure
(loop $again (br $again))
;; end configure
