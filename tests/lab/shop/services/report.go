package main

import (
	"context"
	"log"
	"time"

	"github.com/jackc/pgx/v5"
)

// nightlyReport opens SESSIONS sessions, begins a transaction in each with STATEMENT, and then forgets them for
// HOLD_SECONDS: idle in transaction, with whatever the statement locked. A session that is ended meanwhile stays ended.
func nightlyReport(ctx context.Context) error {
	var sessions []*pgx.Conn
	for range int(number("SESSIONS", 1)) {
		session, err := open(ctx, text("STATEMENT", "SELECT count(*) FROM orders"))
		if err != nil {
			log.Printf("ERROR session %d: %v", len(sessions)+1, err)
			break
		}
		sessions = append(sessions, session)
	}
	log.Printf("INFO nightly-report holds %d sessions", len(sessions))
	time.Sleep(time.Duration(number("HOLD_SECONDS", 900)) * time.Second)
	for _, session := range sessions {
		if _, err := session.Exec(ctx, "COMMIT"); err != nil {
			log.Printf("WARN a session had been ended: %v", err)
		}
		_ = session.Close(ctx)
	}
	log.Printf("INFO nightly-report is done")
	select {}
}

func open(ctx context.Context, statement string) (*pgx.Conn, error) {
	session, err := pgx.Connect(ctx, databaseURL())
	if err != nil {
		return nil, err
	}
	if _, err = session.Exec(ctx, "BEGIN"); err == nil {
		_, err = session.Exec(ctx, statement)
	}
	return session, err
}
